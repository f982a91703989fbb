package doctest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestExamples runs what the pages show.
func TestExamples(t *testing.T) {
	total := 0
	for _, p := range pages(t) {
		examples := p.examples()
		total += len(examples)
		if len(examples) == 0 {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			runPage(t, p, examples)
		})
	}
	if total == 0 {
		t.Fatal("no page has an example")
	}
}

// examples are the blocks that are run, or written as files.
func (p *page) examples() []*block {
	var out []*block
	for _, b := range p.blocks {
		switch {
		case b.has("norun"):
		case b.has("file"):
			out = append(out, b)
		case slices.Contains([]string{"sql", "sh", "python", "go", "java"}, b.lang):
			out = append(out, b)
		}
	}
	return out
}

func runPage(t *testing.T, p *page, examples []*block) {
	s := newSandbox(t)
	if !slices.ContainsFunc(examples, func(b *block) bool { return b.has("serve") }) {
		s.serve(t, "phyllo serve --data data")
	}
	edits := map[*block]string{}
	for _, b := range examples {
		out, err := s.run(t, b)
		if err != nil {
			t.Errorf("%s:%d: %v\n%s", p.name, b.first+1, err, out)
			continue
		}
		if b.output == nil {
			continue
		}
		if err := matches(b.output.text, out, b.output.words); err == nil {
			continue
		} else if *rewrite && !elided(b.output.text) {
			edits[b.output] = out
		} else {
			t.Errorf("%s:%d: the output differs: %v\nall of it:\n%s", p.name, b.output.first+1, err, out)
		}
	}
	if len(edits) > 0 {
		p.rewrite(t, edits)
	}
}

func elided(text string) bool {
	return strings.Contains(text, "…") || slices.Contains(strings.Split(text, "\n"), "...")
}

// run runs one example and returns its output.
func (s *sandbox) run(t *testing.T, b *block) (string, error) {
	t.Helper()
	if name := b.words["file"]; name != "" {
		return "", os.WriteFile(filepath.Join(s.dir, name), []byte(s.toReal(b.text)), 0o644)
	}
	switch b.lang {
	case "sql":
		return s.sql(t, b)
	case "sh":
		if !b.has("serve") {
			return s.shell(t, b)
		}
		srv := s.serve(t, b.text)
		if b.output != nil { // the last line may come after the server is ready
			srv.poll(t, func() error {
				if log := srv.log.String(); !strings.Contains(log, "ready") {
					return fmt.Errorf("the log does not say that the server is ready: %s", log)
				}
				return nil
			})
		}
		return s.toDoc(srv.log.String()), nil
	}
	return s.program(t, b)
}

// rewrite puts new outputs into the page, from its end on so that line numbers hold.
func (p *page) rewrite(t *testing.T, edits map[*block]string) {
	t.Helper()
	var changed []*block
	for b := range edits {
		changed = append(changed, b)
	}
	slices.SortFunc(changed, func(a, b *block) int { return b.first - a.first })
	for _, b := range changed {
		lines := outputLines(edits[b])
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " \t\r")
		}
		p.lines = slices.Replace(p.lines, b.first+1, b.last, lines...)
	}
	if err := os.WriteFile(filepath.Join(root, p.name), []byte(strings.Join(p.lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
