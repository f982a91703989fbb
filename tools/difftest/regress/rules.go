// Package regress runs PostgreSQL's own regression statements against a real PostgreSQL and
// Phyllo and counts on how many they agree. The statements are fetched when the tests run; none
// is part of this repository. testdata/rules.txt says which of them count, and why the others do not.
package regress

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/phyllodb/phyllo/tools/difftest/psqlscript"
)

//go:embed testdata/rules.txt
var rulesText []byte

// rules say what is applicable.
type rules struct {
	files      map[string]string // file to reason
	statements []pattern
	harmless   []pattern
	after      []pattern
	until      []pattern
	needs      map[string][]string // file to the files before it
}

type pattern struct {
	re     *regexp.Regexp
	reason string
}

func readRules(text []byte) (*rules, error) {
	r := &rules{files: map[string]string{}, needs: map[string][]string{}}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := r.add(line); err != nil {
			return nil, fmt.Errorf("rules.txt:%d: %w", n, err)
		}
	}
	return r, lines.Err()
}

// add takes a line apart; what lies between the first and the last bar may hold bars.
func (r *rules) add(line string) error {
	kind, rest, _ := strings.Cut(line, " | ")
	i := strings.LastIndex(rest, " | ")
	if i < 0 {
		return fmt.Errorf("%q is not kind | what | why", line)
	}
	what, why := strings.TrimSpace(rest[:i]), strings.TrimSpace(rest[i+3:])
	switch kind {
	case "file":
		for _, f := range strings.Fields(what) {
			r.files[f] = why
		}
		return nil
	case "needs":
		file, before, _ := strings.Cut(what, ":")
		r.needs[file] = strings.Fields(before)
		return nil
	}
	re, err := regexp.Compile(what)
	if err != nil {
		return err
	}
	list, ok := map[string]*[]pattern{"statement": &r.statements, "harmless": &r.harmless, "after": &r.after, "until": &r.until}[kind]
	if !ok {
		return fmt.Errorf("unknown kind %q", kind)
	}
	*list = append(*list, pattern{re, why})
	return nil
}

func match(list []pattern, normal string) string {
	for _, p := range list {
		if p.re.MatchString(normal) {
			return p.reason
		}
	}
	return ""
}

// normal is a statement as patterns see it.
func normal(tokens []psqlscript.Token) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 {
			b.WriteByte(' ')
		}
		switch t.Kind {
		case psqlscript.String:
			if c := t.Text[0] | 0x20; c == 'b' || c == 'x' {
				b.WriteByte(c)
			}
			b.WriteString("''")
		case psqlscript.Quoted:
			b.WriteString(`"` + t.Text + `"`)
		default:
			b.WriteString(t.Text)
		}
	}
	return b.String()
}

// An applicability follows the statements of a file: what is ruled out by a statement before them.
type applicability struct {
	rules   *rules
	file    string          // the reason why none of it counts
	after   string          // the reason, until a statement says otherwise
	tainted map[string]bool // names, and operators, that ruled-out statements made or changed
}

func (r *rules) of(file string) *applicability {
	return &applicability{rules: r, file: r.files[file], tainted: map[string]bool{}}
}

// ruledOut says why a statement does not count, or nothing. It is called once a statement, in their order.
func (a *applicability) ruledOut(tokens []psqlscript.Token) string {
	text := normal(tokens)
	switch {
	case a.file != "":
		return a.file
	case match(a.rules.until, text) != "":
		defer func() { a.after = "" }()
		return match(a.rules.until, text)
	case match(a.rules.after, text) != "":
		a.after = match(a.rules.after, text)
	}
	if a.after != "" {
		return a.after
	}
	for _, list := range [][]pattern{a.rules.statements, a.rules.harmless} {
		if reason := match(list, text); reason != "" {
			return reason
		}
	}
	if name := a.taintedName(tokens); name != "" {
		return "uses " + name + ", which was ruled out"
	}
	return ""
}

// taintedName is a name in a statement that is tainted; that of a function only where it is called.
func (a *applicability) taintedName(tokens []psqlscript.Token) string {
	for i, t := range tokens {
		called := i+1 < len(tokens) && tokens[i+1].Text == "("
		switch {
		case t.Kind != psqlscript.Word && t.Kind != psqlscript.Quoted && t.Kind != psqlscript.Operator:
		case a.tainted[t.Text], called && a.tainted[t.Text+"("]:
			return t.Text
		}
	}
	return ""
}

// done learns from a statement that PostgreSQL has run.
func (a *applicability) done(tokens []psqlscript.Token, ruledOut bool) {
	if len(tokens) == 0 {
		return
	}
	if ruledOut && match(a.rules.harmless, normal(tokens)) != "" && match(a.rules.statements, normal(tokens)) == "" {
		return
	}
	names, created := targets(tokens)
	if tokens[0].Text == "drop" {
		for _, n := range names {
			delete(a.tainted, n)
			delete(a.tainted, n+"(")
		}
		return
	}
	for _, n := range names {
		switch {
		case ruledOut:
			a.tainted[n] = true
		case created: // anew: the old one is gone, or it would have failed
			delete(a.tainted, n)
		}
	}
}
