package exec

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/recycle"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/function"
	"github.com/phyllodb/phyllo/query/plan"
	"go.uber.org/goleak"
)

// operators has statements for each kind of plan node: the harness runs them in every
// way there is. Their rows are few and full of NULLs, for spilling is forced at any size.
var operators = map[string][]string{
	"Scan":        {"select * from a", "select id, s from a where k between 3 and 9 and s <> 's03'"},
	"Sample":      {"select id, s from a tablesample bernoulli (30) repeatable (7) where k > 3", "select k, s, count(*) from a tablesample system (60) repeatable (0.5) group by k, s"},
	"VirtualScan": {"select * from numbers"}, // put in place of the name

	"Values":       {"values (1, 'x'), (null, 'y'), (3, null)", "select 1"},
	"FunctionScan": {"select * from generate_series(1, 300) as g", "select * from rows from (generate_series(1, 5), unnest(array[1, null])) with ordinality"},
	"Filter":       {"select * from (select k, count(*) as n from a group by k) as t where n > 20 or k is null"},
	"Project":      {"select id + 1, upper(s), k is null, f * 2 from a"},
	"ProjectSet":   {"select id, unnest(r), generate_series(1, k) from a", "select generate_series(1, 300)"},
	"Aggregate": {"select k, s, count(*), sum(v), avg(f), min(d), max(n), count(distinct h), string_agg(s, ',' order by id) from a group by k, s",
		"select count(*), sum(v), array_agg(id order by id) from a where k < 100", "select k, s, count(*) from a group by grouping sets ((k), (s), ())",
		"select percentile_disc(0.5) within group (order by v) from a"},
	"ScanAggregate": {"select count(*), count(k), min(v), max(v) from a"},
	"Gapfill":       {"select g, time_bucket_gapfill('1 m', ts, '2023-11-14 22:10', '2023-11-14 22:20') as t, locf(max(x)), interpolate(max(y)) from c where ts < '2023-11-14 22:16' group by 1, 2"},
	"Window": {"select id, row_number() over (partition by k order by id), sum(v) over (partition by s order by id rows 3 preceding), lag(d) over (order by id) from a",
		"select id, rank() over (order by k, id), max(s) over () from a",
		"select id, row_number() over w, lag(s, 3, 'none') over w, lead(d, 2) over w, first_value(id) over w from a window w as (partition by s order by k, id)",
		"select id, rank() over w, dense_rank() over w, first_value(s) over w, sum(v) over w, count(*) over w from a window w as (partition by s order by k)",
		"select id, lead(id, 200) over w, lag(id, 150, -1) over w, string_agg(s, ',') filter (where id % 3 = 0) over w from a window w as (order by id rows unbounded preceding)",
		"select id, row_number() over (), count(*) over (rows unbounded preceding), lead(id, -1) over () from a"},
	"Sort":     {"select * from a order by k desc nulls last, s, id", "select * from a order by n, id limit 20"},
	"Limit":    {"select id from a order by id limit 7 offset 290", "select id from a order by id offset 100", "select k from a order by k fetch first 3 rows with ties"},
	"Distinct": {"select distinct k, s from a", "select distinct on (k) k, id from a order by k, id desc"},
	"Join": {"select a.id, b.w from a join b on a.k = b.k", "select a.id, b.w from a left join b on a.k = b.k and a.s = b.s", "select a.id, b.w from a right join b on a.k = b.k and a.id < 50",
		"select a.id, b.w from a full join b on a.k = b.k and a.s = b.s", "select id from a where exists (select from b where b.k = a.k)", "select id from a where not exists (select from b where b.k = a.k)",
		"select id from a where k not in (select w from b where w is not null)", "select a.id, b.w from a join b on a.k < b.k and a.id < 20", "select a.id, b.w from a left join b on a.k > b.k + 10",
		"select a.id, b.w from a full join b on a.k = b.k join b as c on c.s = a.s"},
	"AsofJoin": {"select x.id, y.id from a x asof join a y on x.k = y.k and x.t > y.t", "select x.id, y.v from a x asof left join a y on x.t < y.t and y.t - x.t <= interval '5 h'"},
	"Apply":    {"select a.id, l.w from a, lateral (select w from b where b.k = a.k order by w limit 1) as l", "select a.id, l from a left join lateral generate_series(1, a.k) as l on true"},
	"Number":   {"update a set k = b.w from b where b.k = a.k and b.w is not null returning a.id"},
	"FirstOf":  {"update a set k = b.w from b where b.k = a.k and b.w is not null returning a.id"},
	"SetOp": {"select k from a union select w from b", "select k from a union all select w from b", "select k from a intersect select w from b", "select k from a intersect all select w from b",
		"select k from a except select w from b", "select k from a except all select w from b"},
	"LockRows": {"select id, s from a order by id for update", "select a.id, b.w from a join b on a.k = b.k order by 1, 2 limit 5 for share of a skip locked"},
	"CTE":      {"with t as materialized (select k, s from a) select * from t x join t y on x.k = y.k and x.s = y.s", "with recursive t(n) as (select 1 union all select n + 1 from t where n < 300) select * from t", "with recursive t(n) as (select 1 union select n % 50 + 1 from t) select * from t"},
	"CTEScan":  {"with t as materialized (select k, s from a) select x.k from t x where x.k > (select min(k) from t)"},
}

// nodeTypes are the plan nodes that the code of package plan declares.
func nodeTypes(t *testing.T) []string {
	files, err := filepath.Glob("../plan/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no source of package plan: ", err)
	}
	var out []string
	for _, path := range files {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "Inputs" && fn.Recv != nil {
				out = append(out, fn.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name)
			}
		}
	}
	return out
}

// TestHarnessHasEveryOperator fails when a plan node is not in the table above, or the
// statements there have no such node in their plans.
func TestHarnessHasEveryOperator(t *testing.T) {
	types := nodeTypes(t)
	if len(types) < 20 {
		t.Fatalf("only %d plan nodes were found", len(types))
	}
	for _, name := range types {
		if len(operators[name]) == 0 {
			t.Errorf("plan.%s is not in the harness", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(operators)) {
		for _, sql := range operators[name] {
			h := &harness{t: t, sql: sql, tables: harnessTables()}
			found := false
			plan.WalkNodes(h.plan(&Runtime{}, memory.DefaultAllocator), func(n plan.Node) bool {
				found = found || reflect.TypeOf(n).Elem().Name() == name
				return true
			})
			if !found {
				t.Errorf("%s: its plan has no %s", sql, name)
			}
		}
	}
}

// TestHarness runs every operator in every way: its answer is that of the plainest one, or an error
// that says why not, and nothing stays of it.
func TestHarness(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(operators)) {
		t.Run(name, func(t *testing.T) {
			statements := operators[name]
			if testing.Short() { // the race detector wants ten times as long
				statements = statements[:1]
			}
			for _, sql := range statements {
				h := &harness{t: t, sql: sql, tables: harnessTables()}
				h.want = h.lines(way{batchRows: maxBatchRows, splitRows: 1 << 20, workers: 1})
				h.batches()
				h.spills()
				h.limits()
				h.stops()
				h.failures()
			}
		})
	}
}

// A way is how the harness runs a statement.
type way struct {
	batchRows, splitRows, workers int
	sliced                        bool
	spillAt                       int64 // operators spill when they hold so much; 0: never
	limit                         int64 // of the memory, 0: none
	noFiles                       bool
	failAfter                     int64 // batches after which the storage fails, 0: never
	take                          int   // batches after which it is closed, 0: all
	polls                         int   // after which the context is cancelled, 0: never
}

// A harness runs one statement.
type harness struct {
	t      *testing.T
	sql    string
	tables []*fakeTable
	want   []string
}

// harnessTables are small: of the large one the first rows.
func harnessTables() []*fakeTable {
	tables := testTables()
	tables[2].rows = tables[2].rows[:400]
	return tables
}

// plan binds and optimises the statement; rt is given what is missing.
func (h *harness) plan(rt *Runtime, mem memory.Allocator) plan.Node {
	h.t.Helper()
	full := testRuntime(h.t, mem, config{splitRows: 100, batchRows: 10}, h.tables)
	if rt.Reader == nil {
		rt.Reader = full.Reader
	}
	rt.Function, rt.Relations = full.Function, numbers{}
	if strings.Contains(h.sql, "numbers") {
		return &plan.VirtualScan{Namespace: "pg_catalog", Name: "numbers", Columns: []int{0}, Out: []plan.Field{{Name: "n", Type: datum.Of(datum.Int4)}}}
	}
	n, err := bindSQL(h.sql, rt, false)
	if err != nil {
		h.t.Fatal(h.sql, err)
	}
	return n
}

// numbers is a catalogue with one table.
type numbers struct{}

func (numbers) Relation(_ context.Context, c *function.Context, _, _ string, _ []int) ([]arrow.RecordBatch, error) {
	t := &fakeTable{def: &schema.Table{Columns: []schema.Column{testColumn(1, "n", datum.Int4)}}}
	for i := range 20 {
		t.rows = append(t.rows, []datum.Value{int32(i)})
	}
	t.rows[3][0] = nil
	return []arrow.RecordBatch{makeTestBatch(c.Mem, t, []int{0}, t.rows[:9], true), makeTestBatch(c.Mem, t, []int{0}, t.rows[9:], false)}, nil
}

// openFiles counts the temporary files that are open.
type openFiles struct {
	TempFiles
	open atomic.Int64
	made atomic.Int64
}

type openFile struct {
	TempFile
	of *openFiles
}

func (o *openFiles) Create() (TempFile, error) {
	f, err := o.TempFiles.Create()
	if err != nil {
		return nil, err
	}
	o.open.Add(1)
	o.made.Add(1)
	return &openFile{f, o}, nil
}

func (f *openFile) Close() error { f.of.open.Add(-1); return f.TempFile.Close() }

// polls is a context that is cancelled after it has been asked some times.
type polls struct {
	context.Context
	left atomic.Int64
}

func (p *polls) Err() error {
	if p.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// freeRows are rows that nobody else has locked.
type freeRows struct{}

func (freeRows) LockRows(context.Context, *plan.RowLock, arrow.RecordBatch) ([]int32, error) {
	return nil, nil
}

// run runs the statement in a way and returns its rows as far as they came, the files that
// it wrote and its error. Whatever it holds in the end fails the test.
func (h *harness) run(w way) (out []string, files int64, err error) {
	h.t.Helper()
	var goroutines goleak.Option
	if w.workers > 1 {
		goroutines = goleak.IgnoreCurrent()
	}
	mem := memory.NewCheckedAllocator(recycle.New(1 << 20))
	temp := &openFiles{TempFiles: TempDir(h.t.TempDir())}
	rt := &Runtime{
		Reader:  &fakeTxn{tables: h.tables, splitRows: w.splitRows, batchRows: w.batchRows, sliced: w.sliced, fold: true, failAfter: w.failAfter},
		Workers: w.workers, Temp: temp, Budget: NewBudget("query", w.limit, nil), Locker: freeRows{},
	}
	if w.noFiles {
		rt.Temp = nil
	}
	if w.spillAt > 0 {
		rt.Budget.spillFrom(w.spillAt)
	}
	n := h.plan(rt, mem)
	op, err := Build(rt, n)
	if err != nil {
		h.t.Fatal(h.sql, err)
	}
	var ctx context.Context = context.Background()
	if w.polls > 0 {
		p := &polls{Context: ctx}
		p.left.Store(int64(w.polls))
		ctx = p
	}
	for i := 0; w.take == 0 || i < w.take-1; i++ {
		b, nerr := op.Next(ctx)
		if errors.Is(nerr, io.EOF) {
			break
		}
		if err = nerr; err != nil {
			break
		}
		if b.NumRows() < 1 || b.NumRows() > maxBatchRows {
			h.t.Errorf("%s: %+v: a batch of %d rows", h.sql, w, b.NumRows())
		}
		out = append(out, batchLines(b, n.Fields())...)
		b.Release()
	}
	for range 2 {
		if cerr := op.Close(); cerr != nil {
			h.t.Errorf("%s: %+v: close: %v", h.sql, w, cerr)
		}
	}
	if used := rt.Budget.Used(); used != 0 {
		h.t.Errorf("%s: %+v: %d bytes of the budget are still in use", h.sql, w, used)
	}
	if open := temp.open.Load(); open != 0 {
		h.t.Errorf("%s: %+v: %d temporary files are still open", h.sql, w, open)
	}
	mem.AssertSize(h.t, 0)
	if w.workers > 1 && (w.take > 0 || w.polls > 0 || err != nil) {
		if lerr := goleak.Find(goroutines); lerr != nil {
			h.t.Errorf("%s: %+v: %v", h.sql, w, lerr)
		}
	}
	if h.t.Failed() {
		h.t.FailNow()
	}
	return out, temp.made.Load(), err
}

// lines are the rows of a run, sorted unless the statement orders them.
func (h *harness) lines(w way) []string {
	h.t.Helper()
	out, _, err := h.run(w)
	if err != nil {
		h.t.Fatalf("%s: %+v: %v", h.sql, w, err)
	}
	return h.sorted(out)
}

func (h *harness) sorted(out []string) []string {
	if !strings.Contains(h.sql, "order by") || strings.Contains(h.sql, "over (") || strings.Contains(h.sql, "string_agg") {
		slices.Sort(out)
	}
	return out
}

func (h *harness) check(w way, got []string) {
	h.t.Helper()
	if got = h.sorted(got); !slices.Equal(got, h.want) {
		h.t.Fatalf("%s: %+v\n got: %s\nwant: %s", h.sql, w, firstLines(got), firstLines(h.want))
	}
}

// batches tries inputs in batches of all sizes, with offsets, read by several workers.
func (h *harness) batches() {
	h.t.Helper()
	for _, rows := range []int{1, 3, maxBatchRows} {
		for _, workers := range []int{1, 3} {
			for _, sliced := range []bool{false, true} {
				w := way{batchRows: rows, splitRows: 40, workers: workers, sliced: sliced}
				h.check(w, h.lines(w))
			}
		}
	}
}

// spills has operators spill at every size.
func (h *harness) spills() {
	h.t.Helper()
	most := int64(0)
	for at := int64(1); at < 1<<20; at *= 64 {
		for _, workers := range []int{1, 3} {
			w := way{batchRows: 50, splitRows: 100, workers: workers, sliced: true, spillAt: at}
			out, files, err := h.run(w)
			if err != nil {
				h.t.Fatalf("%s: %+v: %v", h.sql, w, err)
			}
			h.check(w, out)
			most = max(most, files)
		}
		w := way{batchRows: 50, splitRows: 100, workers: 1, spillAt: at, noFiles: true}
		if out, _, err := h.run(w); err == nil {
			h.check(w, out)
		} else if pgerr.Code(err) != pgerr.OutOfMemory {
			h.t.Fatalf("%s: %+v: %v", h.sql, w, err)
		}
	}
	h.t.Logf("%s: up to %d files", h.sql, most)
}

// limits bounds the memory: what does not fit is an error that says so.
func (h *harness) limits() {
	h.t.Helper()
	for limit := int64(1); limit < 4<<20; limit *= 16 {
		w := way{batchRows: 50, splitRows: 100, workers: 1, limit: limit}
		if out, _, err := h.run(w); err == nil {
			h.check(w, out)
		} else if pgerr.Code(err) != pgerr.OutOfMemory {
			h.t.Fatalf("%s: %+v: %v", h.sql, w, err)
		}
	}
}

// stops closes the operator before its end, and cancels it at any of its polls.
func (h *harness) stops() {
	h.t.Helper()
	for _, spillAt := range []int64{0, 1} {
		for _, workers := range []int{1, 3} {
			for take := 1; take <= 2; take++ {
				w := way{batchRows: 3, splitRows: 40, workers: workers, spillAt: spillAt, take: take}
				if _, _, err := h.run(w); err != nil {
					h.t.Fatalf("%s: %+v: %v", h.sql, w, err)
				}
			}
			for after := 1; ; after = after*8 + 1 {
				w := way{batchRows: 3, splitRows: 40, workers: workers, spillAt: spillAt, polls: after}
				out, _, err := h.run(w)
				if err == nil {
					h.check(w, out)
					break
				}
				if !errors.Is(err, context.Canceled) {
					h.t.Fatalf("%s: %+v: %v", h.sql, w, err)
				}
			}
		}
	}
}

// failures has the storage fail.
func (h *harness) failures() {
	h.t.Helper()
	for _, workers := range []int{1, 3} {
		for _, after := range []int64{1, 2, 7} {
			w := way{batchRows: 3, splitRows: 100, workers: workers, spillAt: 1, failAfter: after}
			if out, _, err := h.run(w); err == nil {
				h.check(w, out) // it reads no more than that
			} else if !errors.Is(err, errFake) {
				h.t.Fatalf("%s: %+v: %v", h.sql, w, err)
			}
		}
	}
}
