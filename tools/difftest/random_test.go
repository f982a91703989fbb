package difftest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/phyllodb/phyllo/tools/difftest/compare"
	"github.com/phyllodb/phyllo/tools/difftest/randsql"
)

var (
	randomN    = flag.Int("random.n", 2500, "random statements to compare")
	randomSeed = flag.Uint64("random.seed", 20261130, "seed of the random statements; 0 takes one from the clock, as make soak does")
	randomAll  = flag.Bool("random.all", false, "go on after a difference, and print one of each kind")
)

// TestRandom compares random statements over random tables with PostgreSQL. A statement that
// differs is made smaller before it is printed.
func TestRandom(t *testing.T) {
	if *randomSeed == 0 {
		*randomSeed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -random.seed)", *randomSeed)
	p := open(t)
	p.both(t, "SET statement_timeout = '20s'", "")
	for _, s := range randsql.Tables(rand.New(rand.NewPCG(*randomSeed, 0))) {
		p.step(t, s)
	}
	g := randsql.New(rand.New(rand.NewPCG(*randomSeed, 1)), p.catalog(t))
	kinds, undecided, failed := map[string]int{}, 0, 0
	for n := range *randomN {
		s := g.Statement()
		verdict, what := p.judge(t, s.Tree.String(), s.Constant)
		switch {
		case verdict == randsql.Undecided:
			undecided++
			continue
		case verdict == randsql.Agree:
			continue
		}
		kind := kindOf(what)
		kinds[kind]++
		if kinds[kind] > 1 {
			continue
		}
		randsql.Shrink(s.Tree, 600, func(sql string) bool {
			v, w := p.judge(t, sql, s.Constant)
			return v == randsql.Differ && kindOf(w) == kind
		})
		_, what = p.judge(t, s.Tree.String(), s.Constant)
		t.Errorf("statement %d of seed %d:\n%s\n%s", n, *randomSeed, s.Tree, what)
		if failed++; !*randomAll {
			break
		}
	}
	t.Logf("%d statements, %d undecided (one side had an error that depends on the plan)", *randomN, undecided)
	for kind, n := range kinds {
		t.Logf("%5d %s", n, kind)
	}
	if undecided > *randomN/4 {
		t.Errorf("too many statements say nothing: %d of %d", undecided, *randomN)
	}
}

// kindOf tells differences apart by what they are, not by their values.
func kindOf(what string) string {
	line, _, _ := strings.Cut(what, "\n")
	line = codes.ReplaceAllString(line, "$1")
	if strings.HasPrefix(line, "SQLSTATE") {
		return quoted.ReplaceAllString(line, "_")
	}
	return digits.ReplaceAllString(quoted.ReplaceAllString(line, "_"), "N")
}

// step makes or changes tables on both sides.
func (p *pair) step(t *testing.T, s randsql.Step) {
	t.Helper()
	if s.SQL == "" {
		if _, err := p.ours.Exec(context.Background(), s.Suffix); err != nil {
			t.Fatal(err)
		}
		return
	}
	p.both(t, s.SQL, s.Suffix)
}

// judge asks both servers. A session that breaks is a difference, and opened again.
func (p *pair) judge(t *testing.T, sql string, constant bool) (randsql.Verdict, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	if os.Getenv("RANDOM_TRACE") != "" {
		fmt.Println(sql)
	}
	want, err := compare.Query(ctx, p.pg, sql)
	if err != nil {
		t.Fatalf("postgresql: %s: %v", sql, err)
	}
	got, err := compare.Query(ctx, p.ours, sql)
	if err != nil {
		p.ours.Close(context.Background())
		p.ours = connect(t, p.oursDSN)
		return randsql.Differ, "the session broke: " + err.Error()
	}
	return randsql.Judge(sql, constant, want, got)
}

// catalog is what both servers know.
func (p *pair) catalog(t *testing.T) *randsql.Catalog {
	t.Helper()
	rows := func(conn *pgx.Conn, sql string) [][]string {
		r, err := compare.Query(t.Context(), conn, sql)
		if err != nil || r.Code != "" {
			t.Fatalf("%s: %v %s %s", sql, err, r.Code, r.Message)
		}
		return r.Rows
	}
	var theirs, ours [][]string
	for _, sql := range []string{randsql.FunctionsQuery, randsql.OperatorsQuery} {
		theirs, ours = append(theirs, rows(p.pg, sql)...), append(ours, rows(p.ours, sql)...)
	}
	c := randsql.Load(theirs, ours, rows(p.pg, randsql.TypesQuery))
	t.Logf("%d functions and operators", c.Size())
	if c.Size() < 500 {
		t.Fatal("both servers know fewer functions and operators than they should")
	}
	return c
}

var (
	digits = regexp.MustCompile(`[0-9]+`)
	codes  = regexp.MustCompile(`"([0-9A-Z]{5})"`)
	quoted = regexp.MustCompile(`"[^"]*"|'[^']*'|\([^)]*\)`)
)
