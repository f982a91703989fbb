package main

import (
	"math"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
)

// A timeAxis places times between 0 and 1.
type timeAxis struct{ chunk.TimeRange }

func (a timeAxis) place(t datum.Micros) float64 {
	if a.Max <= a.Min {
		return 0
	}
	return (float64(t) - float64(a.Min)) / (float64(a.Max) - float64(a.Min))
}

// A tick is a round time on an axis.
type tick struct {
	at   float64
	text string
}

// A tickStep is how far ticks are from each other: a duration, or months.
type tickStep struct {
	duration time.Duration
	months   int
	format   string
}

var tickSteps = func() (out []tickStep) {
	const day = 24 * time.Hour
	for _, d := range []time.Duration{1, 2, 5, 10, 30} {
		out = append(out, tickStep{duration: d * time.Second, format: "15:04:05"})
	}
	for _, d := range []time.Duration{1, 2, 5, 10, 30, 60, 180, 360, 720} {
		out = append(out, tickStep{duration: d * time.Minute, format: "01-02 15:04"})
	}
	for _, d := range []time.Duration{1, 2, 7, 14} {
		out = append(out, tickStep{duration: d * day, format: "2006-01-02"})
	}
	for _, m := range []int{1, 3, 6} {
		out = append(out, tickStep{months: m, format: "2006-01"})
	}
	for _, y := range []int{1, 2, 5, 10, 20, 50, 100, 500, 1000, 5000, 10_000, 50_000, 100_000} {
		out = append(out, tickStep{months: 12 * y, format: "2006"})
	}
	return out
}()

// ticks returns round times, as many as have room on an axis of so many cells.
func (a timeAxis) ticks(cells int) []tick {
	if a.Max <= a.Min {
		return nil
	}
	for _, s := range tickSteps {
		if n := a.seconds() / s.seconds(); n*float64(len(s.format)+2) <= float64(cells) {
			return a.ticksOf(s)
		}
	}
	return nil
}

func (a timeAxis) seconds() float64 { return (float64(a.Max) - float64(a.Min)) / 1e6 }

func (s tickStep) seconds() float64 {
	return s.duration.Seconds() + float64(s.months)*30.44*86400
}

func (a timeAxis) ticksOf(s tickStep) (out []tick) {
	from, to := time.UnixMicro(int64(a.Min)).UTC(), time.UnixMicro(int64(a.Max)).UTC()
	for t := s.first(from); !t.After(to); t = s.next(t) {
		if !t.Before(from) {
			out = append(out, tick{a.place(datum.Micros(t.UnixMicro())), t.Format(s.format)})
		}
	}
	return out
}

// first returns a tick at or before a time.
func (s tickStep) first(t time.Time) time.Time {
	if s.months == 0 {
		step := s.duration.Microseconds()
		return time.UnixMicro(int64(math.Floor(float64(t.UnixMicro())/float64(step))) * step).UTC()
	}
	months := t.Year()*12 + int(t.Month()) - 1
	months -= ((months % s.months) + s.months) % s.months
	return time.Date(0, time.Month(months+1), 1, 0, 0, 0, 0, time.UTC)
}

func (s tickStep) next(t time.Time) time.Time {
	if s.months == 0 {
		return t.Add(s.duration)
	}
	return t.AddDate(0, s.months, 0)
}
