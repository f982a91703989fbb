package jsonpath

import (
	"errors"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// asIs stands for numeric's input and output.
func asIs(s string) (string, error) { return strings.TrimPrefix(s, "--"), nil }

func quote(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

func TestNestedTooDeeply(t *testing.T) {
	const deep = 1_000_000
	for _, src := range []string{
		strings.Repeat("(", deep) + "1",
		strings.Repeat("-", deep) + "$",
		strings.Repeat("$[", deep) + "0",
		"$" + strings.Repeat("?(@", deep),
		strings.Repeat("!(", deep) + "1",
		strings.Repeat("exists(", deep) + "1",
		"1" + strings.Repeat("+1", deep),
	} {
		_, err := Parse(src, asIs)
		var e *pgerr.Error
		if !errors.As(err, &e) || e.Code != pgerr.StatementTooComplex {
			t.Errorf("%.20s...: %v", src, err)
		}
	}
}

// TestDeepPathsAreReadable reads what the deepest paths are written as, which has more parentheses.
func TestDeepPathsAreReadable(t *testing.T) {
	for _, src := range []string{strings.Repeat("-", MaxDepth-1) + "$", "1" + strings.Repeat("+1", MaxDepth-1)} {
		p, err := Parse(src, asIs)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(string(p.Append(nil, quote)), asIs); err != nil {
			t.Errorf("%.20s... is written so that it cannot be read: %v", src, err)
		}
	}
}

// FuzzParse checks that what is accepted is written in a form that is read as the same.
func FuzzParse(f *testing.F) {
	for _, src := range []string{
		`strict $.a[*] ? (@ > 1 && !(exists(@.b)) || (@ like_regex "x" flag "iq") is unknown).**{1 to last}.c`,
		`-1 + $"v".datetime("yyyy") % -$[0, last - 1 to 3]`, `("a" starts with $b).type()`, `$.\u0061\x62."\u{63}"`, "/* */ 1.e5", `"\ud83d\ude04"`,
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Parse(src, asIs)
		if err != nil {
			return
		}
		text := string(p.Append(nil, quote))
		again, err := Parse(text, asIs)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", src, text, err)
		}
		if out := string(again.Append(nil, quote)); out != text {
			t.Fatalf("%q is written as %q, and that as %q", src, text, out)
		}
	})
}
