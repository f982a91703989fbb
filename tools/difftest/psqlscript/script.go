// Package psqlscript splits scripts of psql into statements as psql does: at semicolons outside
// of quotes, comments and brackets, with the variables in their places, and with the rows that
// follow COPY FROM STDIN. It knows the commands that end statements or choose among them
// (\g, \gset, \if); of others it says only that they are there.
package psqlscript

import (
	"slices"
	"strings"
)

// An Item is a statement of a script, or a command of psql that stands between statements.
type Item struct {
	Line    int    // from 1
	SQL     string // without the semicolon; "" of a command
	Data    string // the lines of COPY FROM STDIN
	Command string // the command, or what ends the statement instead of a semicolon: "gset"
	Args    string // of the command, variables in their places
}

// A Script is read item by item, since variables change on the way. It is for one goroutine.
type Script struct {
	Vars            map[string]string
	BackslashQuotes bool // a backslash in '' takes the next character: standard_conforming_strings is off

	text  string
	pos   int
	conds []bool // \if: whether what follows is read
	taken []bool // whether a branch of it was
}

// New reads a script from its start.
func New(text string) *Script { return &Script{Vars: map[string]string{}, text: text} }

// Next returns the next item, or false at the end.
func (s *Script) Next() (Item, bool) {
	for {
		it, ok := s.item()
		if !ok {
			return it, false
		}
		if it.SQL == "" && s.condition(it) || slices.Contains(s.conds, false) {
			continue
		}
		switch {
		case it.SQL == "" && it.Command == "set":
			s.set(it.Args)
		case it.SQL == "" && it.Command == "quit":
			return it, false
		default:
			return it, true
		}
	}
}

// condition deals with \if and its kin.
func (s *Script) condition(it Item) bool {
	last := len(s.conds) - 1
	switch {
	case it.Command == "if":
		yes := isTrue(it.Args)
		s.conds, s.taken = append(s.conds, yes), append(s.taken, yes)
	case last < 0:
		return false
	case it.Command == "elif":
		s.conds[last] = !s.taken[last] && isTrue(it.Args)
		s.taken[last] = s.taken[last] || s.conds[last]
	case it.Command == "else":
		s.conds[last] = !s.taken[last]
	case it.Command == "endif":
		s.conds, s.taken = s.conds[:last], s.taken[:last]
	default:
		return false
	}
	return true
}

func isTrue(arg string) bool {
	return slices.Contains([]string{"t", "true", "on", "1", "yes"}, strings.ToLower(strings.TrimSpace(arg)))
}

// set gives a variable the value that its arguments make together.
func (s *Script) set(args string) {
	name, rest, _ := strings.Cut(strings.TrimSpace(args), " ")
	var value strings.Builder
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		n := strings.IndexAny(rest, " \t")
		if rest[0] == '\'' {
			n = quotedLength(rest, '\'', true)
			value.WriteString(strings.ReplaceAll(rest[1:n-1], "''", "'"))
		} else {
			if n < 0 {
				n = len(rest)
			}
			value.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	s.Vars[name] = value.String()
}

// item reads the next item whatever the conditions say.
func (s *Script) item() (Item, bool) {
	var b strings.Builder // of the statement
	it := Item{}
	st := nesting{}
	for s.pos < len(s.text) {
		rest := s.text[s.pos:]
		if rest[0] == '\\' {
			if strings.HasPrefix(rest, `\;`) {
				b.WriteByte(';')
				s.pos += 2
				continue
			}
			line, command, args := s.line(), "", ""
			command, args = s.command(rest)
			if sql := strings.TrimSpace(b.String()); sql != "" {
				if ends(command) {
					it.SQL, it.Command, it.Args = sql, command, args
					return it, true
				}
				continue // of no consequence in the middle of a statement
			}
			return Item{Line: line, Command: command, Args: args}, true
		}
		if value, n := s.variable(rest); n > 0 {
			b.WriteString(value)
			s.pos += n
			continue
		}
		t := next(rest, !s.BackslashQuotes)
		if t.Kind != Space && it.Line == 0 {
			it.Line = s.line()
		}
		s.pos += t.size
		if t.Kind == Mark && t.Text == ";" && st.outside() {
			if it.SQL = strings.TrimSpace(b.String()); it.SQL == "" {
				continue
			}
			if copiesIn(it.SQL) {
				it.Data = s.data()
			}
			return it, true
		}
		st.add(t)
		if t.Kind != Space || it.Line > 0 && !strings.HasPrefix(rest, "--") {
			b.WriteString(rest[:t.size])
		}
	}
	it.SQL = strings.TrimSpace(b.String())
	return it, it.SQL != ""
}

func (s *Script) line() int { return 1 + strings.Count(s.text[:s.pos], "\n") }

// ends says whether a command sends the statement before it.
func ends(command string) bool {
	return slices.Contains([]string{"g", "gx", "gset", "gexec", "gdesc", "crosstabview", "watch"}, command)
}

// command reads a command and the arguments after it, up to the end of the line.
func (s *Script) command(rest string) (name, args string) {
	line := rest[1:lineLength(rest)]
	s.pos += 1 + len(line)
	name, args, _ = strings.Cut(line, " ")
	return name, strings.TrimSpace(s.interpolate(args))
}

func (s *Script) interpolate(args string) string {
	var b strings.Builder
	for args != "" {
		value, n := s.variable(args)
		if n == 0 {
			value, n = args[:1], 1
		}
		b.WriteString(value)
		args = args[n:]
	}
	return b.String()
}

// variable returns the value of the variable at the start of rest, if there is one, and the
// length of its name there. A cast passes as it is.
func (s *Script) variable(rest string) (string, int) {
	if strings.HasPrefix(rest, "::") {
		return "::", 2
	}
	if rest[0] != ':' || len(rest) < 2 {
		return "", 0
	}
	quote := rest[1]
	start := 1
	if quote == '\'' || quote == '"' {
		start = 2
	} else {
		quote = 0
	}
	n := start + wordLength(rest[start:])
	value, ok := s.Vars[rest[start:n]]
	switch {
	case !ok:
		return "", 0
	case quote == 0:
		return value, n
	case n == len(rest) || rest[n] != quote:
		return "", 0
	}
	q := string(quote)
	return q + strings.ReplaceAll(value, q, q+q) + q, n + 1
}

// data reads the lines up to \. that follow a statement.
func (s *Script) data() string {
	s.pos += lineLength(s.text[s.pos:])
	var b strings.Builder
	for s.pos < len(s.text) {
		s.pos++ // the end of the line before
		line := s.text[s.pos : s.pos+lineLength(s.text[s.pos:])]
		s.pos += len(line)
		if line == `\.` {
			break
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func copiesIn(sql string) bool {
	from := false
	for i, t := range Tokens(sql) {
		if t.Kind != Word || i == 0 && t.Text != "copy" {
			if i == 0 {
				return false
			}
			from = false
			continue
		}
		if from && t.Text == "stdin" {
			return true
		}
		from = t.Text == "from"
	}
	return false
}

// nesting knows whether a semicolon ends the statement.
type nesting struct {
	words    []string // the first ones
	brackets int
	blocks   int // of BEGIN ATOMIC
}

func (n *nesting) outside() bool { return n.brackets <= 0 && n.blocks <= 0 }

func (n *nesting) add(t Token) {
	switch {
	case t.Kind == Mark && t.Text == "(":
		n.brackets++
	case t.Kind == Mark && t.Text == ")":
		n.brackets--
	case t.Kind == Word:
		if len(n.words) < 4 {
			n.words = append(n.words, t.Text)
		}
		if n.brackets == 0 && n.inRoutine() {
			n.block(t.Text)
		}
	}
}

func (n *nesting) inRoutine() bool {
	return n.words[0] == "create" && (slices.Contains(n.words, "function") || slices.Contains(n.words, "procedure"))
}

func (n *nesting) block(word string) {
	switch {
	case word == "begin", word == "case" && n.blocks > 0:
		n.blocks++
	case word == "end" && n.blocks > 0:
		n.blocks--
	}
}
