package main

import (
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// A progressBar shows how many bytes were looked at, if out is a terminal. It
// is safe for concurrent use once it has grown to its full length.
type progressBar struct {
	container *mpb.Progress
	bar       *mpb.Bar
	total     int64
}

func newProgressBar(out io.Writer, name string) *progressBar {
	p := &progressBar{}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.container = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
		p.bar = p.container.AddBar(0,
			mpb.PrependDecorators(decor.Name(name+" "), decor.Counters(decor.SizeB1024(0), "% .1f of % .1f")),
			mpb.AppendDecorators(decor.Percentage(), decor.AverageSpeed(decor.SizeB1024(0), "  % .1f"), decor.Name("  left "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	return p
}

// grow makes the bar longer by bytes that are to come.
func (p *progressBar) grow(sizeBytes int64) {
	p.total += sizeBytes
	if p.bar != nil {
		p.bar.SetTotal(p.total, false)
	}
}

// add says that bytes were looked at.
func (p *progressBar) add(sizeBytes int64) {
	if p.bar != nil {
		p.bar.IncrInt64(sizeBytes)
	}
}

// end takes the bar away.
func (p *progressBar) end() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.container.Wait()
	}
}
