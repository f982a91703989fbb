package doctest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var link = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)

// anchor is the name that GitHub gives to a heading.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.ReplaceAll(heading, "`", "")) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

// anchors returns those of a page.
func (p *page) anchors() map[string]bool {
	out := map[string]bool{}
	for _, h := range p.headings {
		out[anchor(h.text)] = true
	}
	return out
}

// prose returns a page's lines without fenced blocks.
func (p *page) prose() []string {
	lines := append([]string(nil), p.lines...)
	for _, b := range p.blocks {
		clear(lines[b.first : b.last+1])
	}
	return lines
}

// TestLinks follows the links that stay inside of the tree.
func TestLinks(t *testing.T) {
	byName := map[string]*page{}
	all := pages(t)
	for _, p := range all {
		byName[p.name] = p
	}
	links := 0
	for _, p := range all {
		for i, line := range p.prose() {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				links++
				file, section, _ := strings.Cut(m[1], "#")
				target := p.name
				if file != "" {
					target = filepath.Join(filepath.Dir(p.name), file)
				}
				if _, err := os.Stat(filepath.Join(root, target)); err != nil {
					t.Errorf("%s:%d: %s: there is no %s", p.name, i+1, m[1], target)
					continue
				}
				if to := byName[target]; section != "" && (to == nil || !to.anchors()[section]) {
					t.Errorf("%s:%d: %s: there is no such heading", p.name, i+1, m[1])
				}
			}
		}
	}
	if links == 0 {
		t.Fatal("no page has a link")
	}
}

func TestAnchor(t *testing.T) {
	for heading, want := range map[string]string{
		"CREATE TABLE": "create-table", "What `on_duplicate` says": "what-on_duplicate-says", "It's full, again": "its-full-again",
	} {
		if got := anchor(heading); got != want {
			t.Errorf("anchor(%q) = %q, want %q", heading, got, want)
		}
	}
}
