package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// A style says what may be printed.
type style struct {
	ascii  bool // no other characters
	colour bool // escape sequences of colours
	width  int  // of the terminal, in cells; 0 if out is none
}

// styleOf is what suits out and the environment.
func styleOf(out io.Writer, env func(string) string) style {
	s := style{ascii: !unicodeLocale(env)}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.colour = env("NO_COLOR") == "" && env("TERM") != "dumb"
		s.width, _, _ = term.GetSize(int(f.Fd())) // 0 if it does not say
	}
	return s
}

// unicodeLocale says whether the environment asks for UTF-8, as POSIX reads it.
func unicodeLocale(env func(string) string) bool {
	if env("TERM") == "dumb" {
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(env(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// A printer writes a report. Errors of w show when the report is written out.
type printer struct {
	w io.Writer
	style
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p.w, format+"\n", args...)
}

// facts prints names with their values, leaving out the empty ones.
func (p *printer) facts(facts [][2]string) {
	wide := 0
	for _, f := range facts {
		if f[1] != "" {
			wide = max(wide, len(f[0]))
		}
	}
	for _, f := range facts {
		if f[1] != "" {
			p.line("%-*s  %s", wide, f[0], p.clean(f[1], 0))
		}
	}
}

// A grid is a table for people.
type grid struct {
	columns []gridColumn
	rows    [][]string
}

type gridColumn struct {
	name  string
	right bool // aligned
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// grid prints a grid, without the columns that are empty in every row.
func (p *printer) grid(g *grid) {
	wide := make([]int, len(g.columns))
	used := make([]bool, len(g.columns))
	for i, c := range g.columns {
		wide[i] = displayWidth(c.name)
		for _, r := range g.rows {
			wide[i] = max(wide[i], displayWidth(r[i]))
			used[i] = used[i] || r[i] != ""
		}
	}
	line := func(cell func(i int) string) {
		var b strings.Builder
		for i := range g.columns {
			if !used[i] {
				continue
			}
			if b.Len() > 0 {
				b.WriteString("  ")
			}
			text := cell(i)
			pad := strings.Repeat(" ", wide[i]-displayWidth(text))
			if g.columns[i].right {
				b.WriteString(pad + text)
			} else {
				b.WriteString(text + pad)
			}
		}
		p.line("%s", strings.TrimRight(b.String(), " "))
	}
	line(func(i int) string { return g.columns[i].name })
	for _, r := range g.rows {
		line(func(i int) string { return r[i] })
	}
}

// displayWidth is how many cells of a terminal a text takes.
func displayWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= utf8.RuneSelf:
		if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
			return 2
		}
	}
	return 1
}

// clean makes a text of the database safe to print on a terminal: what is not a
// printable character of the style is escaped as Go does. At most cells wide is
// kept, all if cells is 0.
func (p *printer) clean(s string, cells int) string {
	var b strings.Builder
	used := 0
	for i, r := range s {
		text := string(r)
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			text = fmt.Sprintf(`\x%02x`, s[i])
		case !strconv.IsPrint(r):
			text = strings.Trim(strconv.QuoteRuneToASCII(r), "'")
		case p.ascii && r >= utf8.RuneSelf:
			text = strings.Trim(strconv.QuoteRuneToASCII(r), "'")
		}
		n := displayWidth(text)
		if cells > 0 && used+n > cells {
			return b.String() + p.ellipsis()
		}
		b.WriteString(text)
		used += n
	}
	return b.String()
}

// ellipsis says that there is more.
func (s style) ellipsis() string {
	if s.ascii {
		return "..."
	}
	return "…"
}

// dots stands between the ends of a range of numbers.
func (s style) dots() string {
	if s.ascii {
		return "-"
	}
	return "–"
}

// barCells is the width of a full bar.
const barCells = 20

// bar draws n of most as a bar.
func (s style) bar(n, most int64) string {
	if most <= 0 || n <= 0 {
		return ""
	}
	eighths := int(math.Ceil(float64(n) / float64(most) * barCells * 8))
	if s.ascii {
		return strings.Repeat("#", (eighths+7)/8)
	}
	out := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		out += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return out
}

// spark draws numbers from 0 to the greatest as a line of small columns.
func (s style) spark(values []float64) string {
	levels := []rune(" ▁▂▃▄▅▆▇█")
	if s.ascii {
		levels = []rune(" .:-=+*#@")
	}
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	out := make([]rune, len(values))
	for i, v := range values {
		out[i] = levels[0]
		if v > 0 {
			out[i] = levels[max(1, int(math.Ceil(v/most*float64(len(levels)-1))))]
		}
	}
	return string(out)
}

// count is a number with its thousands separated.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size is a number of bytes.
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1024, 0
	for v >= 1023.95 && unit < 3 {
		v /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[unit])
}

// decimal is a ratio, nothing if what it is divided by is zero.
func decimal(v float64, of int64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}

func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return count(n) + " " + noun
}

func isAre(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func haveHas(n int) string {
	if n == 1 {
		return "has"
	}
	return "have"
}
