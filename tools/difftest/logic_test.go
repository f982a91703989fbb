package difftest

import (
	"context"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/tools/difftest/compare"
	"github.com/phyllodb/phyllo/tools/difftest/randsql"
)

var (
	logicN    = flag.Int("logic.n", 40, "claims about conditions to try")
	logicSeed = flag.Uint64("logic.seed", 20261130, "their seed; 0 takes one from the clock, as make soak does")
)

// TestLogic tries claims about conditions that hold whatever the data are, on larger tables than
// those that are compared with PostgreSQL. A condition that breaks one is made smaller.
func TestLogic(t *testing.T) {
	if *logicSeed == 0 {
		*logicSeed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (give it back with -logic.seed)", *logicSeed)
	p := open(t)
	for _, s := range randsql.Tables(rand.New(rand.NewPCG(*logicSeed, 0))) {
		p.step(t, s)
	}
	for _, sql := range randsql.LargeTables(rand.New(rand.NewPCG(*logicSeed, 1))) {
		if _, err := p.ours.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if _, err := p.ours.Exec(t.Context(), "SET statement_timeout = '10s'"); err != nil {
		t.Fatal(err)
	}
	g := randsql.New(rand.New(rand.NewPCG(*logicSeed, 2)), p.catalog(t))
	undecided := 0
	for n := range *logicN {
		c := g.Claim()
		holds, what := p.holds(t, c)
		switch {
		case !holds && what == "":
			undecided++
			continue
		case holds:
			continue
		}
		kind, _, _ := strings.Cut(what, "\n")
		randsql.Shrink(c.Condition, 300, func(string) bool {
			ok, w := p.holds(t, c)
			w, _, _ = strings.Cut(w, "\n")
			return !ok && (w == kind || w != "" && !strings.HasPrefix(kind, "error"))
		})
		_, what = p.holds(t, c)
		t.Fatalf("claim %d (%s) of seed %d about\n%s\n%s", n, c.Kind, *logicSeed, c.Condition, what)
	}
	t.Logf("%d claims, %d undecided", *logicN, undecided)
	if undecided > *logicN/2 {
		t.Errorf("too many claims say nothing: %d of %d", undecided, *logicN)
	}
}

// holds says whether a claim does; nothing is known where values of some rows are errors, the
// time is over, or an aggregate of an outer query came to where none may be.
func (p *pair) holds(t *testing.T, c randsql.Claim) (bool, string) {
	t.Helper()
	one, other := c.Sides(c.Condition.String())
	var rows [2][]string
	for i, sql := range []string{one, other} {
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		r, err := compare.Query(ctx, p.ours, sql)
		cancel()
		switch {
		case err != nil:
			p.ours.Close(context.Background())
			p.ours = connect(t, p.oursDSN)
			return false, "error: the session broke\n" + err.Error() + "\n" + sql
		case slices.Contains([]string{"22", "54", "57", "21", "0A", "42"}, r.Code[:min(2, len(r.Code))]):
			return false, ""
		case r.Code != "":
			return false, "error " + r.Code + "\n" + r.Message + "\n" + sql
		}
		for _, row := range r.Rows {
			rows[i] = append(rows[i], strings.Join(row, "|"))
		}
		slices.Sort(rows[i])
	}
	if slices.Equal(rows[0], rows[1]) {
		return true, ""
	}
	return false, "rows differ\n" + one + "\n" + other + "\n" + sample(rows[0], rows[1]) + "\n" + sample(rows[1], rows[0])
}

// sample are some rows of one side that the other lacks.
func sample(of, other []string) string {
	left := map[string]int{}
	for _, r := range other {
		left[r]++
	}
	var out []string
	for _, r := range of {
		if left[r]--; left[r] < 0 && len(out) < 5 {
			out = append(out, r)
		}
	}
	return strings.Join(out, "\n")
}
