package main

import (
	"slices"
	"strings"
	"testing"
)

func TestUnicodeLocale(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"LANG": "C"}, false},
		{map[string]string{"LANG": "de_DE.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.utf8", "TERM": "xterm"}, true},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "C.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.UTF-8", "TERM": "dumb"}, false},
	} {
		if got := unicodeLocale(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%v: %v, want %v", c.env, got, c.want)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -999: "-999", 1234567: "1,234,567", 65536: "65,536"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 20: "1.0 MiB", 1<<20 - 1: "1.0 MiB", 5 << 40: "5.0 TiB", 1 << 60: "1048576.0 TiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestDrawings(t *testing.T) {
	plain, rich := style{ascii: true}, style{}
	for _, c := range []struct{ got, want string }{
		{rich.bar(10, 10), strings.Repeat("█", 20)}, {rich.bar(5, 10), strings.Repeat("█", 10)}, {rich.bar(1, 1000), "▏"},
		{rich.bar(0, 10), ""}, {rich.bar(3, 0), ""}, {plain.bar(10, 10), strings.Repeat("#", 20)}, {plain.bar(1, 1000), "#"},
		{rich.spark([]float64{0, 1, 4, 8}), " ▁▄█"}, {plain.spark([]float64{0, 1, 4, 8}), " .=@"}, {rich.spark(nil), ""},
		{rich.spark([]float64{0, 0}), "  "}, {rich.spark(lifted([]float64{-5, 0, 5})), "▁▅█"}, {rich.spark(lifted([]float64{7, 7})), "██"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct {
		text  string
		cells int
		ascii bool
		want  string
	}{
		{"plain", 0, false, "plain"}, {"plain", 3, false, "pla…"}, {"plain", 3, true, "pla..."}, {"plain", 5, false, "plain"},
		{"東京", 0, false, "東京"}, {"東京", 3, false, "東…"}, {"東京", 0, true, `\u6771\u4eac`},
		{"\x1b[2J", 0, false, `\x1b[2J`}, {"a\nb", 0, false, `a\nb`}, {"\x00\x7f", 0, false, `\x00\x7f`},
		{"\xff!", 0, false, `\xff!`}, {"\uFFFD", 0, false, "\uFFFD"}, {"a\u202eb", 0, false, `a\u202eb`}, {"it's", 0, true, "it's"},
	} {
		p := &printer{style: style{ascii: c.ascii}}
		if got := p.clean(c.text, c.cells); got != c.want {
			t.Errorf("clean(%q, %d), ascii %v: %q, want %q", c.text, c.cells, c.ascii, got, c.want)
		}
	}
}

func TestGridAlignsWideText(t *testing.T) {
	var b strings.Builder
	g := grid{columns: []gridColumn{{"NAME", false}, {"N", true}, {"EMPTY", false}, {"END", false}}}
	g.add("東京", "1", "", "x")
	g.add("e\u0301", "1,000", "", "")
	(&printer{w: &b}).grid(&g)
	if want := "NAME      N  END\n東京      1  x\ne\u0301     1,000\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestUniquePrefix(t *testing.T) {
	for want, ids := range map[int][]string{
		8:  {"01a22386-be2b-7000-b706-ead2ded60c1a"},
		10: {"01a22386-be2b-7000-b706-ead2ded60c1a", "01a22386-ce2b-7000-b706-ead2ded60c1a"},
		18: {"01a22386-be2b-7000-b706-ead2ded60c1a", "01a22386-be2b-7001-b706-ead2ded60c1a", "01a22386-be2b-7002-b706-ead2ded60c1a"},
	} {
		if got := uniquePrefix(ids); got != want {
			t.Errorf("%q: %d, want %d", ids, got, want)
		}
	}
}

func TestSimilar(t *testing.T) {
	all := []string{"public.readings", "public.trips", "public.bus_positions", "s.t"}
	for name, want := range map[string][]string{
		"reading": {"public.readings"}, "redaings": {"public.readings"}, "bus": {"public.bus_positions"}, "other.trips": {"public.trips"},
		"TRIP": {"public.trips"}, "xyzzy": nil, "u": {"s.t"}, "": nil,
	} {
		if got := similar(name, all); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("similar(%q) = %q, want %q", name, got, want)
		}
	}
}
