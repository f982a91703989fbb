package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// A rowBar shows rows, MB/s of values and the time left, if out is a terminal.
// Its methods are for one goroutine.
type rowBar struct {
	container   *mpb.Progress
	bar         *mpb.Bar
	rows, bytes atomic.Int64
}

// newRowBar makes a bar; most is a bound of the rows, for versions that newer
// rows replace are in it, and 0 if none is known: then nothing is said of the end.
func newRowBar(out io.Writer, name string, most int64) *rowBar {
	b := &rowBar{}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return b
	}
	begin := time.Now()
	b.container = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
	speed := decor.Any(func(decor.Statistics) string {
		return fmt.Sprintf("  %.1f MB/s", float64(b.bytes.Load())/1e6/max(time.Since(begin).Seconds(), 1e-3))
	})
	right := []decor.Decorator{decor.Percentage(), speed, decor.Name("  left "), decor.AverageETA(decor.ET_STYLE_GO)}
	if most == 0 {
		right = []decor.Decorator{speed}
	}
	b.bar = b.container.AddBar(most,
		mpb.PrependDecorators(decor.Name(name+" "), decor.Any(func(decor.Statistics) string { return count(b.rows.Load()) + " rows" })),
		mpb.AppendDecorators(right...))
	return b
}

// skip says that so many rows were done before.
func (b *rowBar) skip(rows int64) {
	b.rows.Add(rows)
	if b.bar != nil {
		b.bar.SetCurrent(rows)
		b.bar.SetRefill(rows)
	}
}

// add says that rows passed.
func (b *rowBar) add(s contentSum) {
	b.rows.Add(s.rows)
	b.bytes.Add(s.bytes)
	if b.bar != nil {
		b.bar.IncrInt64(s.rows)
	}
}

// end takes the bar away.
func (b *rowBar) end() {
	if b.bar != nil {
		b.bar.Abort(true)
		b.container.Wait()
	}
}
