package doctest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the source tree, as seen from this package's folder.
const root = "../.."

// A page is one Markdown file.
type page struct {
	name     string // relative to root
	lines    []string
	blocks   []*block
	headings []heading
}

// A block is a fenced block.
type block struct {
	page   *page
	first  int // index of the opening fence's line
	last   int // index of the closing fence's line
	lang   string
	words  map[string]string // of the rest of the info string: word or name=value
	text   string            // with a newline at its end, if not empty
	output *block            // the text block that says what it prints, or nil
}

type heading struct {
	line  int
	level int
	text  string
}

func (b *block) has(word string) bool { _, ok := b.words[word]; return ok }

// pages reads README.md, docs/*.md and docs/sql/*.md.
func pages(t testing.TB) []*page {
	t.Helper()
	var out []*page
	for _, name := range pageFiles(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePage(rel, string(text))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func pageFiles(t testing.TB) []string {
	names := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"docs/*.md", "docs/sql/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || found == nil {
			t.Fatalf("%s: %d pages, %v", pattern, len(found), err)
		}
		names = append(names, found...)
	}
	return names
}

// readPage reads one of them.
func readPage(t testing.TB, name string) *page {
	t.Helper()
	for _, p := range pages(t) {
		if p.name == name {
			return p
		}
	}
	t.Fatalf("there is no page %s", name)
	return nil
}

var headingLine = regexp.MustCompile(`^(#{1,6}) +(.*?) *#*$`)

// parsePage finds blocks and headings; a text block belongs to the block before
// it unless a heading or another block lies between.
func parsePage(name, text string) (*page, error) {
	p := &page{name: name, lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	var last *block // that may still get its output
	for i := 0; i < len(p.lines); i++ {
		if m := headingLine.FindStringSubmatch(p.lines[i]); m != nil {
			p.headings = append(p.headings, heading{i, len(m[1]), m[2]})
			last = nil
			continue
		}
		info, ok := strings.CutPrefix(p.lines[i], "```")
		if !ok {
			continue
		}
		b := &block{page: p, first: i, words: map[string]string{}}
		if f := strings.Fields(info); len(f) > 0 {
			b.lang = f[0]
			for _, w := range f[1:] {
				k, v, _ := strings.Cut(w, "=")
				b.words[k] = v
			}
		}
		for i++; i < len(p.lines) && p.lines[i] != "```"; i++ {
			b.text += p.lines[i] + "\n"
		}
		if i == len(p.lines) {
			return nil, fmt.Errorf("%s:%d: a fenced block is not closed", name, b.first+1)
		}
		b.last = i
		p.blocks = append(p.blocks, b)
		if b.lang == "text" {
			if last != nil {
				last.output = b
			}
			last = nil
			continue
		}
		last = b
	}
	return p, nil
}

// section returns the lines below a heading, up to the next one of its level.
func (p *page) section(t testing.TB, title string) []string {
	t.Helper()
	for i, h := range p.headings {
		if h.text != title {
			continue
		}
		end := len(p.lines)
		for _, next := range p.headings[i+1:] {
			if next.level <= h.level {
				end = next.line
				break
			}
		}
		return p.lines[h.line+1 : end]
	}
	t.Fatalf("%s has no heading %q", p.name, title)
	return nil
}

// tableRows returns the cells of the tables in some lines, without their headers.
func tableRows(lines []string) [][]string {
	var rows [][]string
	body := false
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if !strings.HasPrefix(l, "|") {
			body = false
			continue
		}
		cells := splitCells(l)
		if strings.Trim(strings.Join(cells, ""), "-: ") == "" {
			body = true
			continue
		}
		if body {
			rows = append(rows, cells)
		}
	}
	return rows
}

// splitCells cuts a table's line at the bars that are not escaped.
func splitCells(l string) []string {
	l = strings.TrimSuffix(strings.TrimPrefix(l, "|"), "|")
	var cells []string
	cell := ""
	for i := 0; i < len(l); i++ {
		switch {
		case l[i] == '\\' && i+1 < len(l) && l[i+1] == '|':
			cell += "|"
			i++
		case l[i] == '|':
			cells = append(cells, strings.TrimSpace(cell))
			cell = ""
		default:
			cell += l[i : i+1]
		}
	}
	return append(cells, strings.TrimSpace(cell))
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// codes returns the code spans of a cell.
func codes(cell string) []string {
	var out []string
	for _, m := range codeSpan.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestParsePage(t *testing.T) {
	const text = "# Top\n" +
		"```sql session=a\nSELECT 1;\n```\nprose\n```text times\n1\n```\n" + // an example and its output
		"```text\nno example\n```\n" +
		"```sh\ntrue\n```\n## Next `one`\n```text\nnot its output\n```\n" +
		"| a | b |\n| --- | --- |\n| `x` | y \\| z |\n"
	p, err := parsePage("p.md", text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range p.blocks {
		out := "-"
		if b.output != nil {
			out = b.output.text
		}
		got = append(got, fmt.Sprintf("%d %s %v %q %q", b.first, b.lang, b.words, b.text, out))
	}
	want := []string{
		`1 sql map[session:a] "SELECT 1;\n" "1\n"`, `5 text map[times:] "1\n" "-"`, `8 text map[] "no example\n" "-"`,
		`11 sh map[] "true\n" "-"`, `15 text map[] "not its output\n" "-"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("blocks:\n got %q\nwant %q", got, want)
	}
	if n := len(p.examples()); n != 2 {
		t.Errorf("%d examples, want 2", n)
	}
	rows := tableRows(p.section(t, "Next `one`"))
	if len(rows) != 1 || !slices.Equal(rows[0], []string{"`x`", "y | z"}) || !slices.Equal(codes(rows[0][0]), []string{"x"}) {
		t.Errorf("table: got %q", rows)
	}
	if _, err := parsePage("p.md", "```sh\n"); err == nil {
		t.Error("a block that is not closed is accepted")
	}
}
