package regress

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/phyllodb/phyllo/tools/difftest/compare"
	"github.com/phyllodb/phyllo/tools/difftest/psqlscript"
)

// A Difference is a statement on which the servers do not agree.
type Difference struct {
	File      string
	Line      int
	SQL       string
	What      string // how they differ
	Want, Got compare.Result
}

// A Count is what came of a file.
type Count struct {
	File                             string
	Statements, Applicable, Agreeing int
	Differences                      []Difference
}

// A runner has the two servers.
type runner struct {
	dir      string // of PostgreSQL's tests
	rules    *rules
	pg, ours *side
	tainted  map[string]bool // by the files that were run
}

// file runs the statements of a file against both. What prepares for others is run whether it counts
// or not.
func (r *runner) file(ctx context.Context, name string, prepares bool) (Count, error) {
	count := Count{File: name}
	for _, s := range []*side{r.pg, r.ours} {
		if err := s.open(ctx); err != nil {
			return count, err
		}
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "sql", name+".sql"))
	if err != nil {
		return count, err
	}
	script, a := psqlscript.New(string(text)), r.rules.of(name)
	if prepares {
		a.file = ""
	}
	maps.Copy(a.tainted, r.tainted)
	defer func() { r.tainted = a.tainted }()
	for {
		it, ok := script.Next()
		if !ok {
			return count, nil
		}
		if it.SQL == "" {
			if err := r.command(ctx, script, it); err != nil {
				return count, err
			}
			continue
		}
		if it, err = r.serve(it); err != nil {
			return count, err
		}
		want, err := r.statement(ctx, a, it, &count)
		if err != nil {
			return count, err
		}
		if it.Command == "gset" && want.Code == "" && len(want.Rows) == 1 {
			setVariables(script, it.Args, want)
		}
		script.BackslashQuotes = r.pg.conn.PgConn().ParameterStatus("standard_conforming_strings") == "off"
	}
}

// statement runs one statement and counts it.
func (r *runner) statement(ctx context.Context, a *applicability, it psqlscript.Item, count *Count) (compare.Result, error) {
	count.Statements++
	tokens := psqlscript.Tokens(it.SQL)
	reason := a.ruledOut(tokens)
	want, err := r.pg.run(ctx, it)
	if err != nil {
		return want, err
	}
	if want.Code == "" {
		a.done(tokens, reason != "")
	}
	if reason != "" {
		return want, r.follow(ctx)
	}
	count.Applicable++
	got, err := r.ours.run(ctx, it)
	if err != nil {
		return want, err
	}
	if d := compare.DifferFor(it.SQL, want, got); d != "" {
		count.Differences = append(count.Differences, Difference{count.File, it.Line, it.SQL, d, want, got})
		return want, nil
	}
	count.Agreeing++
	return want, nil
}

// follow lets our transaction fail where PostgreSQL's did on a statement that we were not asked.
func (r *runner) follow(ctx context.Context) error {
	if !r.pg.failed() || !r.ours.inTransaction() {
		return nil
	}
	_, err := r.ours.run(ctx, psqlscript.Item{SQL: "SELECT 1/0"})
	return err
}

// command does what psql's command does to sessions and variables.
func (r *runner) command(ctx context.Context, script *psqlscript.Script, it psqlscript.Item) error {
	switch it.Command {
	case "getenv":
		name, variable, _ := strings.Cut(it.Args, " ")
		script.Vars[name] = map[string]string{"PG_ABS_SRCDIR": r.dir, "PG_ABS_BUILDDIR": r.dir}[strings.TrimSpace(variable)]
	case "c", "connect":
		for _, s := range []*side{r.pg, r.ours} {
			if err := s.open(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// serve sends the files of the tests over the connection, since neither server may read them.
func (r *runner) serve(it psqlscript.Item) (psqlscript.Item, error) {
	const from = " FROM '"
	i := strings.Index(strings.ToUpper(it.SQL), from)
	if i < 0 || !strings.HasPrefix(strings.ToUpper(it.SQL), "COPY ") {
		return it, nil
	}
	path, options, _ := strings.Cut(it.SQL[i+len(from):], "'")
	if !strings.HasPrefix(path, r.dir) {
		return it, nil
	}
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return it, nil
	}
	it.SQL, it.Data = it.SQL[:i]+" FROM STDIN"+options, string(data)
	return it, err
}

// setVariables is \gset.
func setVariables(script *psqlscript.Script, prefix string, r compare.Result) {
	for i, c := range r.Columns {
		name, _, _ := strings.Cut(c, ":")
		if r.Rows[0][i] == compare.Null {
			delete(script.Vars, prefix+name)
		} else {
			script.Vars[prefix+name] = r.Rows[0][i]
		}
	}
}
