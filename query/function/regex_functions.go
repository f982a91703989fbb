package function

import (
	"io"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

func regexKernels(k kernels) {
	for _, prefix := range []string{"text", "name"} {
		k.add(matchOperator("", false), prefix+"regexeq")
		k.add(matchOperator("", true), prefix+"regexne")
		k.add(matchOperator("i", false), prefix+"icregexeq")
		k.add(matchOperator("i", true), prefix+"icregexne")
	}
	addRegex(k, regexpLike, "regexp_like_no_flags", "regexp_like")
	addRegex(k, regexpMatch, "regexp_match_no_flags", "regexp_match")
	addRegex(k, regexpReplace, "textregexreplace_noopt", "textregexreplace")
	addRegex(k, regexpReplaceN, "textregexreplace_extended_no_n", "textregexreplace_extended_no_flags", "textregexreplace_extended")
	addRegex(k, regexpSplitArray, "regexp_split_to_array_no_flags", "regexp_split_to_array")
	addRegex(k, regexpCount, "regexp_count_no_start", "regexp_count_no_flags", "regexp_count")
	addRegex(k, regexpInstr, "regexp_instr_no_start", "regexp_instr_no_n", "regexp_instr_no_endoption",
		"regexp_instr_no_flags", "regexp_instr_no_subexpr", "regexp_instr")
	addRegex(k, regexpSubstr, "regexp_substr_no_start", "regexp_substr_no_n", "regexp_substr_no_flags",
		"regexp_substr_no_subexpr", "regexp_substr")
	addRegex(k, substringFromRegex, "textregexsubstr")
	k.addSet(regexpMatches, "regexp_matches_no_flags", "regexp_matches")
	k.addSet(regexpSplitTable, "regexp_split_to_table_no_flags", "regexp_split_to_table")
	k.add(fn1(func(p string) (string, error) { return similarToRegex(p, `\`) }), "similar_to_escape_1")
	k.add(fn2(similarToRegex), "similar_to_escape_2")
	k.add(boxed(func(_ *Context, args []datum.Value) (datum.Value, error) {
		if args[0] == nil {
			return nil, nil
		}
		escape := `\`
		if args[1] != nil {
			escape = args[1].(string)
		}
		return similarToRegex(args[0].(string), escape)
	}, datum.Text), "similar_escape")
	addRegex(k, func(c *regexCache, a []datum.Value) (datum.Value, error) {
		p, err := similarToRegex(a[1].(string), a[2].(string))
		if err != nil {
			return nil, err
		}
		return substringFromRegex(c, []datum.Value{a[0], p})
	}, "oid2074")
}

// addRegex registers a strict function of texts and integers that compiles patterns.
func addRegex(k kernels, f func(c *regexCache, args []datum.Value) (datum.Value, error), names ...string) {
	k.add(func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		cache := &regexCache{ctx: c}
		return strictBoxed(func(_ *Context, vals []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
			return f(cache, vals)
		}, datum.Text)(c, regexArgs(args), n, ret)
	}, names...)
}

// regexArgs types the arguments by what they are in Arrow: text or int4.
func regexArgs(args []Vec) []Vec {
	out := make([]Vec, len(args))
	for i, a := range args {
		out[i] = a
		out[i].T = datum.Of(datum.Text)
		if a.DataType().ID() == arrow.INT32 {
			out[i].T = datum.Of(datum.Int4)
		}
	}
	return out
}

func matchOperator(flags string, negate bool) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		cache := &regexCache{ctx: c}
		return fn2(func(s, pattern string) (bool, error) {
			re, err := cache.get(pattern, flags)
			if err != nil {
				return false, err
			}
			found, err := re.matches(c, s)
			return found != negate, err
		})(c, args, n, ret)
	}
}

func textArg(args []datum.Value, i int, otherwise string) string {
	if i < len(args) {
		return args[i].(string)
	}
	return otherwise
}

func intArg(args []datum.Value, i int, otherwise int32) int32 {
	if i < len(args) {
		return args[i].(int32)
	}
	return otherwise
}

// notGlobal refuses the option g where a function has no use for it.
func (c *regexCache) notGlobal(name, hint string) error {
	if !c.parsed.global {
		return nil
	}
	err := pgerr.New(pgerr.InvalidParameterValue, "%s does not support the \"global\" option", name)
	if hint != "" {
		err = err.WithHint("%s", hint)
	}
	return err
}

func regexpLike(c *regexCache, args []datum.Value) (datum.Value, error) {
	re, err := c.get(args[1].(string), textArg(args, 2, ""))
	if err != nil {
		return nil, err
	}
	if err := c.notGlobal("regexp_like()", ""); err != nil {
		return nil, err
	}
	found, err := re.matches(c.ctx, args[0].(string))
	return found, err
}

func regexpMatch(c *regexCache, args []datum.Value) (datum.Value, error) {
	re, err := c.get(args[1].(string), textArg(args, 2, ""))
	if err != nil {
		return nil, err
	}
	if err := c.notGlobal("regexp_match()", "Use the regexp_matches function instead."); err != nil {
		return nil, err
	}
	s := args[0].(string)
	m, err := re.find(c.ctx, s)
	if m == nil || err != nil {
		return nil, err
	}
	return re.matchArray(s, m), nil
}

// regexpReplace is regexp_replace(text, pattern, replacement [, flags]).
func regexpReplace(c *regexCache, args []datum.Value) (datum.Value, error) {
	flags := textArg(args, 3, "")
	if flags != "" && isASCIIDigit(flags[0]) {
		return nil, pgerr.New(pgerr.InvalidParameterValue, "invalid regular expression option: %q", flags[:1]).
			WithHint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.")
	}
	re, err := c.get(args[1].(string), flags)
	if err != nil {
		return nil, err
	}
	n := 1
	if c.parsed.global {
		n = 0
	}
	return re.replace(c.ctx, args[0].(string), args[2].(string), 0, n)
}

// regexpReplaceN is regexp_replace(text, pattern, replacement, start [, n [, flags]]).
func regexpReplaceN(c *regexCache, args []datum.Value) (datum.Value, error) {
	start, n := intArg(args, 3, 1), intArg(args, 4, 1)
	if err := checkStart(start); err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, paramError("n", n)
	}
	re, err := c.get(args[1].(string), textArg(args, 5, ""))
	if err != nil {
		return nil, err
	}
	if len(args) == 4 && c.parsed.global {
		n = 0
	}
	s := args[0].(string)
	from, ok := offsetOf(s, start)
	if !ok {
		return s, nil
	}
	return re.replace(c.ctx, s, args[2].(string), from, int(n))
}

// offsetOf returns the byte offset of a 1-based character position; ok is false
// beyond the end.
func offsetOf(s string, position int32) (int, bool) {
	if int(position)-1 > utf8.RuneCountInString(s) {
		return 0, false
	}
	return runeOffset(s, int64(position)-1), true
}

func regexpSplit(c *regexCache, args []datum.Value, name string) ([]datum.Value, error) {
	re, err := c.get(args[1].(string), textArg(args, 2, ""))
	if err != nil {
		return nil, err
	}
	if err := c.notGlobal(name, ""); err != nil {
		return nil, err
	}
	return re.split(c.ctx, args[0].(string))
}

func regexpSplitArray(c *regexCache, args []datum.Value) (datum.Value, error) {
	parts, err := regexpSplit(c, args, "regexp_split_to_array()")
	return datum.Array{Elem: datum.Of(datum.Text), Values: parts}, err
}

func regexpCount(c *regexCache, args []datum.Value) (datum.Value, error) {
	start := intArg(args, 2, 1)
	if err := checkStart(start); err != nil {
		return nil, err
	}
	re, err := c.get(args[1].(string), textArg(args, 3, ""))
	if err != nil {
		return nil, err
	}
	if err := c.notGlobal("regexp_count()", ""); err != nil {
		return nil, err
	}
	s := args[0].(string)
	from, ok := offsetOf(s, start)
	if !ok {
		return int32(0), nil
	}
	matches, err := re.all(c.ctx, s, from, -1, false)
	return int32(len(matches)), err
}

// nth finds the n-th match from a position and returns one of its groups; nil if
// there is none.
func (c *regexCache) nth(name string, s, pattern, flags string, start, n, sub int32) ([]int, error) {
	if err := checkStart(start); err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, paramError("n", n)
	}
	if sub < 0 {
		return nil, paramError("subexpr", sub)
	}
	re, err := c.get(pattern, flags)
	if err != nil {
		return nil, err
	}
	if err := c.notGlobal(name, ""); err != nil {
		return nil, err
	}
	from, ok := offsetOf(s, start)
	if !ok || int(sub) > re.groups {
		return nil, nil
	}
	matches, err := re.all(c.ctx, s, from, int(n), sub > 0)
	if err != nil || len(matches) < int(n) {
		return nil, err
	}
	m := matches[n-1][2*sub : 2*sub+2]
	if m[0] < 0 {
		return nil, nil
	}
	return m, nil
}

func regexpInstr(c *regexCache, args []datum.Value) (datum.Value, error) {
	end := intArg(args, 4, 0)
	if end != 0 && end != 1 {
		return nil, paramError("endoption", end)
	}
	s := args[0].(string)
	m, err := c.nth("regexp_instr()", s, args[1].(string), textArg(args, 5, ""), intArg(args, 2, 1), intArg(args, 3, 1), intArg(args, 6, 0))
	if err != nil || m == nil {
		return int32(0), err
	}
	return int32(utf8.RuneCountInString(s[:m[end]])) + 1, nil
}

func regexpSubstr(c *regexCache, args []datum.Value) (datum.Value, error) {
	s := args[0].(string)
	m, err := c.nth("regexp_substr()", s, args[1].(string), textArg(args, 4, ""), intArg(args, 2, 1), intArg(args, 3, 1), intArg(args, 5, 0))
	if err != nil || m == nil {
		return nil, err
	}
	return s[m[0]:m[1]], nil
}

// substringFromRegex is substring(text from pattern): the first capture, or the match.
func substringFromRegex(c *regexCache, args []datum.Value) (datum.Value, error) {
	re, err := c.get(args[1].(string), "")
	if err != nil {
		return nil, err
	}
	s := args[0].(string)
	m, err := re.find(c.ctx, s)
	if m == nil || err != nil {
		return nil, err
	}
	if re.groups > 0 {
		if text, ok := group(s, m, 1); ok {
			return text, nil
		}
		return nil, nil
	}
	return s[m[0]:m[1]], nil
}

// valueRows iterates over rows of one column.
type valueRows struct {
	vals []datum.Value
	next int
}

func (r *valueRows) Next() ([]datum.Value, error) {
	if r.next == len(r.vals) {
		return nil, io.EOF
	}
	r.next++
	return r.vals[r.next-1 : r.next : r.next], nil
}

func regexpMatches(ctx *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
	c := &regexCache{ctx: ctx}
	re, err := c.get(args[1].(string), textArg(args, 2, ""))
	if err != nil {
		return nil, err
	}
	limit := 1
	if c.parsed.global {
		limit = -1
	}
	s := args[0].(string)
	matches, err := re.all(c.ctx, s, 0, limit, true)
	if err != nil {
		return nil, err
	}
	rows := &valueRows{}
	for _, m := range matches {
		rows.vals = append(rows.vals, re.matchArray(s, m))
	}
	return rows, nil
}

func regexpSplitTable(ctx *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (SetResult, error) {
	parts, err := regexpSplit(&regexCache{ctx: ctx}, args, "regexp_split_to_table()")
	return &valueRows{vals: parts}, err
}
