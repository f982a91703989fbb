package doctest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var (
	timestampText = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?`)
	durationText  = regexp.MustCompile(`\b(\d+m)?\d+(\.\d+)?(e-?\d+)? ?(ns|µs|us|ms|s)\b`)
	timeField     = regexp.MustCompile(`\btime=\d+\.\d+`)
	sizeText      = regexp.MustCompile(`\b\d+(\.\d+)? ?(B|kB|MB|GB|KiB|MiB|GiB|bytes)\b`)
	blanks        = regexp.MustCompile(` {2,}`)
	rule          = regexp.MustCompile(`-{3,}`)
)

// normal brings one line of output to the form that is compared.
func normal(line string, words map[string]string) string {
	line = strings.TrimRight(line, " \t\r")
	_, times := words["times"]
	_, sizes := words["sizes"]
	if times {
		line = timestampText.ReplaceAllString(line, "<timestamp>")
		line = timeField.ReplaceAllString(line, "time=<time>")
		line = durationText.ReplaceAllString(line, "<time>")
	}
	if sizes {
		line = sizeText.ReplaceAllString(line, "<size>")
	}
	if times || sizes { // columns are as wide as what stands in them
		line = rule.ReplaceAllString(blanks.ReplaceAllString(strings.TrimSpace(line), " "), "---")
	}
	return line
}

// outputLines cuts output into lines, without blank ones at the end.
func outputLines(s string) []string {
	s = strings.TrimRight(s, " \t\r\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// matches compares what was printed with what a page says, and tells the first
// difference.
func matches(want, got string, words map[string]string) error {
	w, g := outputLines(want), outputLines(got)
	for i := range g {
		g[i] = normal(g[i], words)
	}
	if matchLines(w, g, words) {
		return nil
	}
	for i := range w {
		if i >= len(g) {
			return fmt.Errorf("line %d is missing: %s", i+1, w[i])
		}
		if strings.TrimSpace(w[i]) == "..." || !matchLine(w[i], g[i], words) {
			return fmt.Errorf("line %d differs\n page: %s\n got:  %s", i+1, w[i], g[i])
		}
	}
	return fmt.Errorf("line %d is not on the page: %s", len(w)+1, g[len(w)])
}

func matchLines(want, got []string, words map[string]string) bool {
	for i, w := range want {
		if strings.TrimSpace(w) == "..." {
			for j := i; j <= len(got); j++ {
				if matchLines(want[i+1:], got[j:], words) {
					return true
				}
			}
			return false
		}
		if i >= len(got) || !matchLine(w, got[i], words) {
			return false
		}
	}
	return len(got) == len(want)
}

// matchLine compares a page's line with a normalised one.
func matchLine(want, got string, words map[string]string) bool {
	want = normal(want, words)
	parts := strings.Split(want, "…")
	if len(parts) == 1 {
		return want == got
	}
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(got)
}

func TestMatches(t *testing.T) {
	times := map[string]string{"times": ""}
	both := map[string]string{"times": "", "sizes": ""}
	for _, c := range []struct {
		name, want, got string
		words           map[string]string
		ok              bool
	}{
		{"equal", "a\nb\n", "a\nb\n\n", nil, true},
		{"different", "a\nb\n", "a\nc\n", nil, false},
		{"missing line", "a\nb\n", "a\n", nil, false},
		{"more lines", "a\n", "a\nb\n", nil, false},
		{"nothing", "", "a\n", nil, false},
		{"any lines", "a\n...\nd\n", "a\nb\nc\nd\n", nil, true},
		{"any lines, none", "a\n...\nd\n", "a\nd\n", nil, true},
		{"any lines, wrong end", "a\n...\nd\n", "a\nb\n", nil, false},
		{"any text", "pid … is gone\n", "pid 17 is gone\n", nil, true},
		{"any text, wrong rest", "pid … is gone\n", "pid 17 is here\n", nil, false},
		{"dots in text", "pid … 1.5\n", "pid 17 1x5\n", nil, false},
		{"times", "Scan (time=0.1 rows=2)\nExecution Time: 1.234 ms\n", "Scan (time=12.25 rows=2)\nExecution Time: 99.1 ms\n", times, true},
		{"times keep counts", "Scan (time=0.1 rows=2)\n", "Scan (time=0.1 rows=3)\n", times, false},
		{"times without the word", "took 1 ms\n", "took 2 ms\n", nil, false},
		{"timestamps", "time=2026-01-01T00:00:00.1Z level=INFO\n", "time=2027-02-03T01:02:03Z level=INFO\n", times, true},
		{"sizes", "    x    \n------\n 1 kB\n", "     x     \n--------\n 17 MB\n", both, true},
		{"sizes keep rows", "1 kB 5 rows\n", "2 kB 6 rows\n", both, false},
	} {
		err := matches(c.want, c.got, c.words)
		if (err == nil) != c.ok {
			t.Errorf("%s: matches(%q, %q) = %v", c.name, c.want, c.got, err)
		}
	}
}
