package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// columnValues are the decoded values of a column of one chunk.
type columnValues struct {
	typ    datum.Type
	values []datum.Value
}

// readColumn decodes a column as it was written.
func readColumn(ctx context.Context, e *chunk.Entry, c *chunk.ColumnEntry, blob []byte) (*columnValues, error) {
	alone := *e
	alone.Columns = []chunk.ColumnEntry{*c}
	alone.Columns[0].Part = nil
	l := &chunk.Layout{Columns: []chunk.Column{{ID: c.ID, Name: "column", Type: c.Type}}}
	spec := chunk.ScanSpec{Columns: []schema.ColumnID{c.ID}}
	var stats chunk.ScanStats
	r, err := chunk.NewSplit(&alone, l, spec, func(context.Context, int) ([]byte, bool, error) { return blob, false, nil }).Scan(ctx, chunk.NewRoom(memory.DefaultAllocator), &stats)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := &columnValues{typ: c.Type, values: make([]datum.Value, 0, e.Rows)}
	for {
		b, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range int(b.NumRows()) {
			out.values = append(out.values, datum.ValueAt(c.Type, b.Column(0), i))
		}
		b.Release()
	}
}

// vectorStats are the values of one vector.
type vectorStats struct {
	Rows  int     `json:"rows"`
	Nulls int     `json:"nulls"`
	Min   *string `json:"min"`
	Max   *string `json:"max"`

	low, high float64 // of the finite numbers; low > high if there are none
}

func (c *columnValues) vectors() []vectorStats {
	var out []vectorStats
	for part := range slices.Chunk(c.values, chunk.VectorRows) {
		v := vectorStats{Rows: len(part), low: math.Inf(1), high: math.Inf(-1)}
		var lo, hi datum.Value
		for _, x := range part {
			if n, _, ok := number(x); ok {
				v.low, v.high = min(v.low, n), max(v.high, n)
			}
			switch {
			case x == nil:
				v.Nulls++
			case lo == nil:
				lo, hi = x, x
			case c.typ.OID == datum.JSON: // it has no order
			case datum.Compare(c.typ, x, lo) < 0:
				lo = x
			case datum.Compare(c.typ, x, hi) > 0:
				hi = x
			}
		}
		if c.typ.OID != datum.JSON {
			v.Min, v.Max = bound(c.typ, lo), bound(c.typ, hi)
		}
		out = append(out, v)
	}
	return out
}

// commonValue is a value and the number of its rows.
type commonValue struct {
	Value string `json:"value"`
	Rows  int    `json:"rows"`
}

// maxCommon is how many common values are shown.
const maxCommon = 8

// common returns the most common values, if values repeat at all, and how many
// different ones there are.
func (c *columnValues) common(n int) ([]commonValue, int) {
	rows := map[string]int{}
	for _, v := range c.values {
		if v != nil {
			rows[valueText(c.typ, v)]++
		}
	}
	var out []commonValue
	for text, n := range rows {
		if n > 1 {
			out = append(out, commonValue{text, n})
		}
	}
	slices.SortFunc(out, func(a, b commonValue) int {
		return cmp.Or(cmp.Compare(b.Rows, a.Rows), strings.Compare(a.Value, b.Value))
	})
	if len(rows) > len(c.values)/2 {
		return nil, len(rows)
	}
	return out[:min(n, len(out))], len(rows)
}

// histogramCells is how many columns a line of small columns has.
const histogramCells = 64

// A histogram counts the values of equal intervals from the least to the
// greatest finite one.
type histogram struct {
	Min     string `json:"min"`
	Max     string `json:"max"`
	Counts  []int  `json:"counts"`
	Besides int    `json:"not_finite"`

	low, high float64
}

// number places a value on a line; ok is false for types that have none, and for
// values that are not finite.
func number(v datum.Value) (x float64, typed, ok bool) {
	switch v := v.(type) {
	case int16:
		return float64(v), true, true
	case int32:
		return float64(v), true, true
	case int64:
		return float64(v), true, true
	case float32:
		x = float64(v)
	case float64:
		x = v
	case datum.Days:
		return float64(v), true, v != datum.InfinityDays && v != datum.NegInfinityDays
	case datum.Micros:
		return float64(v), true, v != datum.InfinityMicros && v != datum.NegInfinityMicros
	case datum.Decimal:
		if v.Kind != datum.Finite {
			return 0, true, false
		}
		x, _ = strconv.ParseFloat(v.String(), 64) // out of range: infinite
	default:
		return 0, false, false
	}
	return x, true, !math.IsNaN(x) && !math.IsInf(x, 0)
}

// histogram returns nil if there are not two different numbers.
func (c *columnValues) histogram(cells int) *histogram {
	h := &histogram{Counts: make([]int, cells)}
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range c.values {
		x, typed, ok := number(v)
		switch {
		case ok && x < lo && x > hi: // the first
			lo, hi, h.Min, h.Max = x, x, valueText(c.typ, v), valueText(c.typ, v)
		case ok && x < lo:
			lo, h.Min = x, valueText(c.typ, v)
		case ok && x > hi:
			hi, h.Max = x, valueText(c.typ, v)
		case typed && !ok:
			h.Besides++
		}
	}
	if !(lo < hi) {
		return nil
	}
	h.low, h.high = lo, hi
	for _, v := range c.values {
		if x, _, ok := number(v); ok {
			h.Counts[h.cell(x, cells)]++
		}
	}
	return h
}

// cell returns which of the equal intervals a number is in.
func (h *histogram) cell(x float64, cells int) int {
	return min(cells-1, int((x/2-h.low/2)/(h.high/2-h.low/2)*float64(cells))) // halves: high - low may overflow
}

// course returns the means of stretches of rows, in their order; one without
// numbers is as the one before it, at the beginning as the first that has some.
func (c *columnValues) course(cells int) []float64 {
	cells = min(cells, len(c.values))
	out := make([]float64, cells)
	known := -1
	for i := range out {
		mean, n := 0.0, 0
		for _, v := range c.values[i*len(c.values)/cells : (i+1)*len(c.values)/cells] {
			if x, _, ok := number(v); ok {
				n++
				mean += x/float64(n) - mean/float64(n) // x - mean may overflow
			}
		}
		switch {
		case n == 0 && known >= 0:
			mean = out[known]
		case n > 0 && known < 0:
			for j := range i {
				out[j] = mean
			}
		}
		if n > 0 {
			known = i
		}
		out[i] = mean
	}
	return out
}
