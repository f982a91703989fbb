package exec

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/recycle"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/expr"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/parse"
	"github.com/phyllodb/phyllo/query/plan"
	"go.uber.org/goleak"
)

// The answers in testdata are PostgreSQL's: -rewrite asks it for them again.
var (
	rewrite  = flag.Bool("rewrite", false, "write the answers of the PostgreSQL at -postgres into testdata")
	postgres = flag.String("postgres", "postgres://postgres@127.0.0.1:5999/postgres", "PostgreSQL to ask with -rewrite")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A sqlCase is a query (or a statement with RETURNING) and PostgreSQL's answer: a line per row, columns separated
// by |, or the SQLSTATE and message. Queries without ORDER BY compare unordered. What PostgreSQL does not have is
// followed by a line of ==== and the query that it answers instead, if there is one.
type sqlCase struct {
	file, sql string
	postgres  string
	own       bool // PostgreSQL has no answer
	want      []string
	line      int
}

func readCases(t testing.TB, path string) []*sqlCase {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []*sqlCase
	var c *sqlCase
	answer, instead := false, false
	sc := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; sc.Scan(); n++ {
		line := sc.Text()
		switch {
		case answer && line == "":
			c, answer, instead = nil, false, false
		case answer:
			c.want = append(c.want, line)
		case line == "====":
			instead, c.own = true, true
		case line == "----":
			answer = true
		case line == "" || strings.HasPrefix(line, "#"):
		case c == nil:
			c = &sqlCase{file: path, sql: line, line: n}
			out = append(out, c)
		case instead:
			c.postgres += line + "\n"
			c.own = false
		default:
			c.sql += "\n" + line
		}
	}
	return out
}

func (c *sqlCase) ordered() bool {
	return strings.Contains(strings.ToLower(c.sql), "order by") && !strings.Contains(c.sql, "-- unordered")
}

// A config is a way to run a query that must not change its answer.
type config struct {
	name      string
	splitRows int
	batchRows int
	sliced    bool
	workers   int
	budget    int64 // 0: none
	plain     bool  // the plan as bound, not optimised
	stats     bool
}

var configs = []config{
	{name: "one batch", splitRows: 1 << 20, batchRows: maxBatchRows, workers: 1},
	{name: "rows one by one", splitRows: 50, batchRows: 1, workers: 1, sliced: true},
	{name: "threes, sliced, parallel", splitRows: 1000, batchRows: 3, sliced: true, workers: 3, stats: true},
	{name: "parallel", splitRows: 700, batchRows: maxBatchRows, workers: 4, sliced: true},
	{name: "spilling", splitRows: 5000, batchRows: maxBatchRows, workers: 1, budget: 300 << 10},
	{name: "spilling, parallel", splitRows: 900, batchRows: 500, workers: 2, budget: 400 << 10},
	{name: "as bound", splitRows: 64, batchRows: 7, workers: 2, plain: true},
}

func TestSQL(t *testing.T) {
	files, err := filepath.Glob("testdata/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	tables := testTables()
	if *rewrite {
		rewriteAnswers(t, files, tables)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".sql"), func(t *testing.T) {
			for _, c := range readCases(t, f) {
				for _, cfg := range configs {
					if cfg.batchRows < 10 && usesTable(c.sql, "c") {
						continue // it is large, and operators meet such batches in TestHarness
					}
					if testing.Short() && (cfg.workers < 2 || cfg.plain) {
						continue // the race detector's run is for what is parallel
					}
					checkCase(t, c, cfg, tables)
				}
			}
		})
	}
}

func usesTable(sql, name string) bool {
	for _, w := range []string{"from " + name, "join " + name} {
		if strings.Contains(strings.ToLower(sql), w) {
			return true
		}
	}
	return false
}

func checkCase(t *testing.T, c *sqlCase, cfg config, tables []*fakeTable) {
	t.Helper()
	if cfg.budget > 0 && strings.Contains(c.sql, "-- in memory") {
		return
	}
	if cfg.plain && strings.Contains(c.sql, "-- not as bound") {
		return // a join of all rows with all rows
	}
	got, err := runCase(t, c.sql, cfg, tables)
	if err != nil {
		got = []string{errorLine(err)}
	}
	want := slices.Clone(c.want)
	if !c.ordered() {
		slices.Sort(got)
		slices.Sort(want)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s:%d (%s)\n%s\n got: %s\nwant: %s", c.file, c.line, cfg.name, c.sql, firstLines(got), firstLines(want))
	}
}

func firstLines(ls []string) string {
	if len(ls) > 40 {
		ls = append(slices.Clone(ls[:40]), fmt.Sprintf("... %d lines", len(ls)))
	}
	return strings.Join(ls, "\n      ")
}

func errorLine(err error) string {
	return "ERROR " + pgerr.Code(err) + " " + strings.SplitN(err.Error(), "\n", 2)[0]
}

// testEnv is what a statement is bound and run in.
func testRuntime(t testing.TB, mem memory.Allocator, cfg config, tables []*fakeTable) *Runtime {
	env := &datum.Env{Now: time.Unix(1_700_000_000, 0), StatementNow: time.Unix(1_700_000_000, 0)}
	rt := &Runtime{
		Reader:   &fakeTxn{tables: tables, splitRows: cfg.splitRows, batchRows: cfg.batchRows, sliced: cfg.sliced, fold: true},
		Function: &function.Context{Context: context.Background(), Mem: mem, Env: env, Catalog: testCatalog(tables)},
		Workers:  cfg.workers, Temp: TempDir(t.TempDir()),
	}
	if cfg.budget > 0 {
		rt.Budget = NewBudget("query", cfg.budget, nil)
	}
	if cfg.stats {
		rt.Stats = NewStats()
	}
	return rt
}

func bindSQL(sql string, rt *Runtime, plain bool) (plan.Node, error) {
	stmts, err := parse.Parse(sql)
	if err != nil {
		return nil, err
	}
	env := &bind.Env{Catalog: rt.Function.Catalog, SearchPath: []string{"public"}, Session: rt.Function.Env, User: "test", Context: context.Background()}
	st, err := bind.Statement(env, stmts[0].Node)
	if err != nil {
		return nil, err
	}
	var root plan.Node
	switch st := st.(type) {
	case *plan.Query:
		root = st.Root
	case *plan.Update:
		root = returned(st.Source, len(st.Out))
	case *plan.Delete:
		root = returned(st.Source, len(st.Out))
	default:
		return nil, errors.New("not a query")
	}
	if plain {
		return root, nil
	}
	return optimized(rt, root)
}

// returned is the last columns of the plan of a statement that changes rows.
func returned(n plan.Node, columns int) plan.Node {
	fields := n.Fields()
	p := &plan.Project{Input: n, Out: fields[len(fields)-columns:]}
	for i, f := range p.Out {
		p.Exprs = append(p.Exprs, &expr.Column{Index: len(fields) - columns + i, Name: f.Name, T: f.Type})
	}
	return p
}

func init() { recycle.Poison = true }

func runCase(t testing.TB, sql string, cfg config, tables []*fakeTable) ([]string, error) {
	mem := memory.NewCheckedAllocator(recycle.New(1 << 20))
	defer mem.AssertSize(t, 0)
	rt := testRuntime(t, mem, cfg, tables)
	n, err := bindSQL(sql, rt, cfg.plain)
	if err != nil {
		return nil, err
	}
	var out []string
	err = Run(context.Background(), rt, n, func(b arrow.RecordBatch) error {
		if b.NumRows() < 1 || b.NumRows() > maxBatchRows {
			return fmt.Errorf("a batch of %d rows", b.NumRows())
		}
		out = append(out, batchLines(b, n.Fields())...)
		return nil
	})
	if rt.Budget != nil && rt.Budget.Used() != 0 {
		t.Errorf("%s: %d bytes of the budget are still in use", sql, rt.Budget.Used())
	}
	return out, err
}

func batchLines(b arrow.RecordBatch, fields []plan.Field) []string {
	out := make([]string, b.NumRows())
	env := &datum.Env{ExtraFloatDigits: 1}
	for i := range out {
		var line []byte
		for j, f := range fields {
			if j > 0 {
				line = append(line, '|')
			}
			if a := b.Column(j); a.IsNull(i) || a.DataType().ID() == arrow.NULL {
				line = append(line, "NULL"...)
			} else {
				line = datum.AppendTextAt(line, f.Type, a, i, env)
			}
		}
		out[i] = string(line)
	}
	return out
}

// rewriteAnswers has PostgreSQL answer the queries of the files.
func rewriteAnswers(t *testing.T, files []string, tables []*fakeTable) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, *postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	pc := conn.PgConn()
	loadPostgres(t, pc, tables)
	for _, f := range files {
		cases := readCases(t, f)
		for _, c := range cases {
			if !c.own {
				c.want = askPostgres(pc, cmp.Or(c.postgres, c.sql))
			}
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, withAnswers(data, cases), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func askPostgres(pc *pgconn.PgConn, sql string) []string {
	if _, err := pc.Exec(context.Background(), "begin").ReadAll(); err != nil {
		return []string{"ERROR " + err.Error()}
	}
	defer func() { _, _ = pc.Exec(context.Background(), "rollback").ReadAll() }()
	res, err := pc.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		var pe *pgconn.PgError
		if errors.As(err, &pe) {
			return []string{"ERROR " + pe.Code + " " + pe.Message}
		}
		return []string{"ERROR " + err.Error()}
	}
	var out []string
	for _, row := range res[0].Rows {
		var cells []string
		for _, v := range row {
			if v == nil {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, string(v))
			}
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return out
}

func loadPostgres(t *testing.T, pc *pgconn.PgConn, tables []*fakeTable) {
	var sql strings.Builder
	sql.WriteString("set timezone = 'UTC'; set extra_float_digits = 1;\n")
	env := &datum.Env{ExtraFloatDigits: 1}
	for _, tb := range tables {
		fmt.Fprintf(&sql, "create temp table %s (", tb.def.Name)
		for i, c := range tb.def.Columns {
			if i > 0 {
				sql.WriteString(", ")
			}
			fmt.Fprintf(&sql, "%s %s", c.Name, c.Type)
		}
		sql.WriteString(");\n")
		for part := range slices.Chunk(tb.rows, 500) {
			fmt.Fprintf(&sql, "insert into %s values ", tb.def.Name)
			for i, r := range part {
				if i > 0 {
					sql.WriteString(",")
				}
				sql.WriteString("(")
				for j, v := range r {
					if j > 0 {
						sql.WriteString(",")
					}
					if v == nil {
						sql.WriteString("NULL")
					} else {
						sql.WriteString("'" + string(datum.AppendText(nil, tb.def.Columns[j].Type, v, env)) + "'")
					}
				}
				sql.WriteString(")")
			}
			sql.WriteString(";\n")
		}
		fmt.Fprintf(&sql, "analyze %s;\n", tb.def.Name)
	}
	if _, err := pc.Exec(context.Background(), sql.String()).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// withAnswers replaces the answers in a file.
func withAnswers(data []byte, cases []*sqlCase) []byte {
	var out bytes.Buffer
	next, answer := 0, false
	for _, line := range strings.SplitAfter(string(data), "\n") {
		switch strings.TrimSuffix(line, "\n") {
		case "----":
			out.WriteString("----\n")
			for _, w := range cases[next].want {
				out.WriteString(w + "\n")
			}
			next++
			answer = true
			continue
		case "":
			answer = false
		}
		if !answer {
			out.WriteString(line)
		}
	}
	return out.Bytes()
}
