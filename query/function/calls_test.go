package function_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
)

// The files testdata/calls/* hold calls and the results that PostgreSQL gives:
//
//	@ round(numeric,int4)          a function, called with the types given
//	@ + (int4,int4)                an operator
//	@ cast int8 int4               a cast, by function or through text
//	@ set generate_series(int4,int4)
//	@ agg sum(int4)                the rows follow, their columns separated by ;
//	2.5 | 0 => 3
//
// -rewrite asks the PostgreSQL of $PHYLLO_TEST_POSTGRES (a connection string of
// a database with the collation C and the character types of C.UTF-8) for the
// results again: read the diff.
var rewrite = flag.Bool("rewrite", false, "ask PostgreSQL for the results of testdata/calls")

type call struct {
	kind string // fn, op, cast, set, agg
	name string
	args []datum.Type
}

func TestCalls(t *testing.T) {
	files, err := filepath.Glob("testdata/calls/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if *rewrite {
				rewriteCalls(t, file)
			}
			runCalls(t, file)
		})
	}
}

func runCalls(t *testing.T, file string) {
	src, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var c call
	lines := bufio.NewScanner(src)
	lines.Buffer(nil, 1<<20)
	for line := 1; lines.Scan(); line++ {
		s := lines.Text()
		switch {
		case s == "" || strings.HasPrefix(s, "#"):
		case strings.HasPrefix(s, "@ "):
			c = parseCall(t, s[2:])
		default:
			in, want, ok := strings.Cut(s, " => ")
			if !ok {
				in, want = strings.TrimSuffix(s, " =>"), ""
			}
			got := c.run(t, splitArgs(in))
			if !same(got, want) {
				t.Errorf("%s:%d: %s %s(%s)\n got  %s\n want %s", file, line, c.kind, c.name, in, got, want)
			}
		}
	}
}

func splitArgs(in string) []string {
	if in == "" {
		return nil
	}
	return strings.Split(in, " | ")
}

func parseCall(t *testing.T, s string) call {
	c := call{kind: "fn"}
	for _, kind := range []string{"set", "agg", "cast"} {
		if rest, ok := strings.CutPrefix(s, kind+" "); ok {
			c.kind, s = kind, rest
		}
	}
	name, types, _ := strings.Cut(s, "(")
	if c.kind == "cast" {
		name, types = "", strings.ReplaceAll(s, " ", ",")
	}
	if strings.HasSuffix(name, " ") {
		c.kind = "op"
	}
	c.name = strings.TrimSpace(name)
	for _, n := range strings.Split(strings.TrimSuffix(types, ")"), ",") {
		if n != "" {
			c.args = append(c.args, typeNamed(t, n))
		}
	}
	return c
}

func typeNamed(t *testing.T, n string) datum.Type {
	elem, isArray := strings.CutSuffix(n, "[]")
	oid, ok := datum.LookupName(elem)
	if !ok {
		t.Fatalf("no type %q", elem)
	}
	typ := datum.Of(oid)
	if isArray {
		typ, _ = datum.ArrayOf(typ)
	}
	return typ
}

var testTime = time.Date(2024, 2, 29, 12, 34, 56, 789000000, time.UTC)

// newContext returns a context whose memory is checked at the end of the test.
func newContext(t *testing.T) *function.Context {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return &function.Context{
		Context: context.Background(),
		Mem:     mem,
		Env:     &datum.Env{ExtraFloatDigits: 1, Now: testTime, StatementNow: testTime, ZoneName: "UTC", Zone: time.UTC},
		Catalog: &schema.Catalog{Database: "phyllo", DatabaseOID: 16384},
		Session: testSession{},
	}
}

// run returns the result's text or the error.
func (c call) run(t *testing.T, args []string) string {
	t.Helper()
	return c.runIn(t, newContext(t), args)
}

func (c call) runIn(t *testing.T, ctx *function.Context, args []string) (result string) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			result = fmt.Sprintf("PANIC %v", p)
			if testing.Verbose() {
				panic(p)
			}
		}
	}()
	var err error
	switch c.kind {
	case "agg":
		result, err = c.aggregate(ctx, args)
	case "set":
		result, err = c.set(ctx, args)
	default:
		result, err = c.scalar(ctx, args)
	}
	if err != nil {
		var pe *pgerr.Error
		if !errors.As(err, &pe) {
			return "ERROR without a code: " + err.Error()
		}
		return "ERROR " + pe.Code + ": " + escape(pe.Message)
	}
	return result
}

func (c call) values(ctx *function.Context, types []datum.Type, args []string) ([]datum.Value, error) {
	vals := make([]datum.Value, len(args))
	for i, a := range args {
		v, err := parseValue(ctx, types[min(i, len(types)-1)], a)
		if err != nil {
			return nil, err
		}
		vals[i] = v
	}
	return vals, nil
}

func parseValue(ctx *function.Context, t datum.Type, s string) (datum.Value, error) {
	switch s {
	case "NULL":
		return nil, nil
	case "''":
		s = ""
	}
	return function.ParseText(ctx, t, unescape(s))
}

var (
	escaper   = strings.NewReplacer("\\", "\\\\", "\n", "\\n", "\t", "\\t")
	unescaper = strings.NewReplacer("\\\\", "\\", "\\n", "\n", "\\t", "\t", "\\s", " ")
)

func escape(s string) string   { return escaper.Replace(s) }
func unescape(s string) string { return unescaper.Replace(s) }

// resolve finds the function and its actual argument and result types.
func (c call) resolve() (fn *function.Function, args []datum.Type, ret datum.Type, err error) {
	r := function.Builtins()
	var candidates []*function.Function
	switch c.kind {
	case "op":
		for _, op := range r.Operators(c.name) {
			candidates = append(candidates, op.Fn)
		}
	default:
		candidates = r.Functions(c.name)
	}
	best := -1
	for _, f := range candidates {
		declared := declaredFor(f, len(c.args))
		if declared == nil && len(c.args) > 0 {
			continue
		}
		a, rt, rerr := r.ResolvePolymorphic(declared, f.Ret, c.args)
		if rerr != nil {
			continue
		}
		score, fits := 0, true
		for i := range a {
			if a[i].OID == c.args[i].OID {
				score++
			} else if !r.ImplicitlyCoercible(c.args[i].OID, a[i].OID) {
				fits = false
			}
			if declared[i] == c.args[i].OID {
				score++
			}
		}
		if fits && score > best && len(declared) == len(c.args) {
			best, fn, args, ret = score, f, a, rt
		}
	}
	if fn == nil {
		return nil, nil, ret, fmt.Errorf("no function %s%v", c.name, c.args)
	}
	return fn, args, ret, nil
}

func declaredFor(f *function.Function, n int) []datum.OID {
	d := f.Args
	if f.Variadic {
		d = append([]datum.OID(nil), d...)
		for len(d) < n {
			d = append(d, d[len(d)-1])
		}
	}
	if n < len(d)-f.Defaults || n > len(d) {
		return nil
	}
	return d[:n]
}

func (c call) scalar(ctx *function.Context, args []string) (string, error) {
	if c.kind == "cast" {
		return c.cast(ctx, args)
	}
	fn, types, ret, err := c.resolve()
	if err != nil {
		return "", err
	}
	vals, err := c.values(ctx, types, args)
	if err != nil {
		return "", err
	}
	return evalBothWays(ctx, fn, types, vals, ret)
}

// evalBothWays calls a function with constants and with sliced arrays that hold
// NULLs besides, and compares.
func evalBothWays(ctx *function.Context, fn *function.Function, types []datum.Type, vals []datum.Value, ret datum.Type) (string, error) {
	const n, at = 5, 3
	var consts, arrays []function.Vec
	for i, v := range vals {
		one := datum.NewArray(ctx.Mem, types[i], v, 1)
		defer one.Release()
		consts = append(consts, function.Vec{Array: one, Const: true, T: types[i]})
		var other datum.Value // NULL, unless the function would be called for it
		if !fn.Strict {
			other = v
		}
		null := datum.NewArray(ctx.Mem, types[i], other, 3)
		defer null.Release()
		if !arrow.TypeEqual(null.DataType(), one.DataType()) {
			arrays = append(arrays, consts[i])
			continue
		}
		all, err := array.Concatenate([]arrow.Array{null, null, one, null}, ctx.Mem)
		if err != nil {
			return "", err
		}
		defer all.Release()
		s := array.NewSlice(all, 3, 3+n)
		defer s.Release()
		arrays = append(arrays, function.Vec{Array: s, T: types[i]})
	}
	one, err := textOf(ctx, fn, consts, 1, 0, ret)
	if len(vals) == 0 || !fn.Strict && fn.Volatility == function.Volatile {
		return one, err
	}
	many, err2 := textOf(ctx, fn, arrays, n, at, ret)
	if fmt.Sprint(err) != fmt.Sprint(err2) || err == nil && one != many {
		return fmt.Sprintf("constants give %s %v, arrays %s %v", one, err, many, err2), nil
	}
	return one, err
}

func textOf(ctx *function.Context, fn *function.Function, args []function.Vec, n, at int, ret datum.Type) (string, error) {
	if fn.Strict {
		for _, a := range args {
			if a.Const && a.IsNull(0) {
				return "NULL", nil
			}
		}
	}
	res, err := fn.Eval(ctx, args, n, ret)
	if err != nil {
		return "", err
	}
	defer res.Release()
	if res.Len() != n {
		return fmt.Sprintf("%d rows instead of %d", res.Len(), n), nil
	}
	if fn.Strict && n > 1 && !res.IsNull(0) {
		return "not NULL for NULL", nil
	}
	return textAt(ctx, ret, res, at), nil
}

func textAt(ctx *function.Context, t datum.Type, a arrow.Array, i int) string {
	if a.DataType().ID() == arrow.NULL {
		return ""
	}
	if a.IsNull(i) {
		return "NULL"
	}
	if b, ok := a.(*array.Boolean); ok {
		return strconv.FormatBool(b.Value(i)) // what a cast to text gives
	}
	text := string(function.AppendText(nil, ctx, t, a, i))
	if t.OID == datum.BPChar {
		text = strings.TrimRight(text, " ") // likewise
	}
	return escape(text)
}

// same compares results; the last digit of a transcendental function is the C
// library's business.
func same(got, want string) bool {
	if got == want {
		return true
	}
	g, err1 := strconv.ParseFloat(got, 64)
	w, err2 := strconv.ParseFloat(want, 64)
	return err1 == nil && err2 == nil && strings.Contains(want, ".") && len(want) > 15 && math.Abs(g-w) <= 1e-15*math.Abs(w)
}

func (c call) cast(ctx *function.Context, args []string) (string, error) {
	v, err := parseValue(ctx, c.args[0], args[0])
	if err != nil {
		return "", err
	}
	k, ok := function.Builtins().Cast(c.args[0].OID, c.args[1].OID)
	switch {
	case !ok || k.Fn == nil && !k.Binary:
		if v == nil {
			return "NULL", nil
		}
		r, err := function.ParseText(ctx, c.args[1], function.ValueText(ctx, c.args[0], v))
		if err != nil {
			return "", err
		}
		return boxedText(ctx, c.args[1], r), nil
	case k.Binary:
		if v == nil {
			return "NULL", nil
		}
		return boxedText(ctx, c.args[1], v), nil
	}
	types, vals := []datum.Type{c.args[0]}, []datum.Value{v}
	if len(k.Fn.Args) > 1 { // the modifier, then whether the cast is explicit
		types, vals = append(types, datum.Of(datum.Int4)), append(vals, int32(-1))
	}
	if len(k.Fn.Args) > 2 {
		types, vals = append(types, datum.Of(datum.Bool)), append(vals, true)
	}
	return evalBothWays(ctx, k.Fn, types, vals, c.args[1])
}

func (c call) set(ctx *function.Context, args []string) (string, error) {
	fn, types, ret, err := c.resolve()
	if err != nil {
		return "", err
	}
	vals, err := c.values(ctx, types, args)
	if err != nil {
		return "", err
	}
	if fn.Strict {
		for _, v := range vals {
			if v == nil {
				return "", nil
			}
		}
	}
	rows, err := fn.EvalSet(ctx, vals, types, ret)
	if err != nil {
		return "", err
	}
	var out []string
	for {
		row, err := rows.Next()
		if err == io.EOF {
			return strings.Join(out, ","), nil
		}
		if err != nil {
			return "", err
		}
		var cols []string
		for i, v := range row {
			t := ret
			if len(fn.OutTypes) > 0 && len(row) > 1 {
				t = datum.Of(fn.OutTypes[i])
			}
			if v == nil {
				cols = append(cols, "NULL")
				continue
			}
			cols = append(cols, escape(function.ValueText(ctx, t, v)))
		}
		out = append(out, strings.Join(cols, ";"))
	}
}

func rewriteCalls(t *testing.T, file string) {
	conn, err := pgx.Connect(context.Background(), os.Getenv("PHYLLO_TEST_POSTGRES"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, s := range []string{"set time zone 'UTC'", "set extra_float_digits = 1"} {
		if _, err := conn.Exec(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var c call
	for _, s := range strings.Split(strings.TrimSuffix(string(src), "\n"), "\n") {
		switch {
		case s == "" || strings.HasPrefix(s, "#"):
		case strings.HasPrefix(s, "@ "):
			c = parseCall(t, s[2:])
		default:
			in, _, _ := strings.Cut(s, " =>")
			s = in + " => " + c.ask(t, conn, splitArgs(in))
		}
		if strings.HasSuffix(s, " => ") {
			s = s[:len(s)-1]
		}
		out.WriteString(s + "\n")
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ask runs the call on PostgreSQL.
func (c call) ask(t *testing.T, conn *pgx.Conn, args []string) string {
	literal := func(s string, typ datum.Type) string {
		if s == "NULL" {
			return "NULL::" + sqlName(typ)
		}
		if s == "''" {
			s = ""
		}
		return "'" + strings.ReplaceAll(unescape(s), "'", "''") + "'::" + sqlName(typ)
	}
	typed := func(args []string) string {
		var ls []string
		for i, a := range args {
			ls = append(ls, literal(a, c.args[min(i, len(c.args)-1)]))
		}
		return strings.Join(ls, ", ")
	}
	var sql string
	switch c.kind {
	case "op":
		if len(c.args) == 1 {
			sql = "select (" + c.name + " (" + literal(args[0], c.args[0]) + "))::text"
		} else {
			sql = "select ((" + literal(args[0], c.args[0]) + ") " + c.name + " (" + literal(args[1], c.args[1]) + "))::text"
		}
	case "cast":
		sql = "select (" + literal(args[0], c.args[0]) + ")::" + sqlName(c.args[1]) + "::text"
	case "set":
		sql = "select string_agg(replace(trim(both '()' from coalesce(r.*::text, 'NULL')), ',', ';'), ',') from (select " + c.name + "(" + typed(args) + ") x) r"
		sql = "select coalesce(string_agg(coalesce(x::text, 'NULL'), ','), '') from (select " + c.name + "(" + typed(args) + ") x) r"
	case "agg":
		var rows []string
		for _, a := range args {
			rows = append(rows, "("+typed(strings.Split(a, ";"))+")")
		}
		cols := make([]string, len(c.args))
		for i := range cols {
			cols[i] = fmt.Sprintf("c%d", i)
		}
		list := strings.Join(cols, ",")
		where := ""
		if len(rows) == 0 {
			rows = []string{"(" + typed(make([]string, len(c.args))) + ")"}
			rows[0] = strings.ReplaceAll(rows[0], "''", "NULL")
			where = " where false"
		}
		within := list
		switch c.name {
		case "percentile_cont", "percentile_disc":
			fraction := "null::" + sqlName(c.args[0])
			if len(args) > 0 {
				fraction = literal(strings.Split(args[0], ";")[0], c.args[0])
			}
			sql = "select " + c.name + "(" + fraction + ") within group (order by c1)::text from (values " + strings.Join(rows, ",") + ") v(" + list + ")" + where
		case "mode":
			sql = "select " + c.name + "() within group (order by c0)::text from (values " + strings.Join(rows, ",") + ") v(" + list + ")" + where
		default:
			sql = "select " + c.name + "(" + within + ")::text from (values " + strings.Join(rows, ",") + ") v(" + list + ")" + where
		}
	default:
		sql = "select \"" + c.name + "\"(" + typed(args) + ")::text"
	}
	var res *string
	err := conn.QueryRow(context.Background(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&res)
	var pe *pgconn.PgError
	switch {
	case errors.As(err, &pe):
		return "ERROR " + pe.Code + ": " + escape(pe.Message)
	case err != nil:
		t.Fatalf("%s: %v", sql, err)
	case res == nil:
		return "NULL"
	}
	return escape(*res)
}

func boxedText(ctx *function.Context, t datum.Type, v datum.Value) string {
	if b, ok := v.(bool); ok {
		return strconv.FormatBool(b)
	}
	return escape(function.ValueText(ctx, t, v))
}

// sqlName is a type's name without the modifier that SQL's name would imply.
func sqlName(t datum.Type) string {
	info, _ := datum.Lookup(t.OID)
	return `pg_catalog."` + info.Name + `"`
}
