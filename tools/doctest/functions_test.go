package doctest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/query/function"
)

// plumbing are functions that PostgreSQL has for itself: support of types,
// indexes and aggregates. Users see what they support.
var plumbing = regexp.MustCompile(`^(bt\w*cmp|\w+_cmp(_\w+)?|\w+cmp|\w+typmod(in|out)|\w*(larger|smaller)|\w+_(hash|accum|inc|dec)|` +
	`int8inc|int8dec|textlen|dexp|dlog1|dlog10|dround|dtrunc|numeric_(exp|ln|log|sqrt|div_trunc)|like|notlike|like_escape|` +
	`similar_escape|similar_to_escape|nameconcatoid|oidvectortypes|_pg_expandarray)$`)

// internalOID is PostgreSQL's pseudo-type internal.
const internalOID datum.OID = 2281

// specialForms look like functions in SQL, but are syntax and so not in the registry.
var specialForms = []string{"coalesce", "nullif", "cast", "grouping"}

// userFunctions returns the names that the page must list, and those that it
// may: the functions behind operators and casts, which users reach by these.
func userFunctions() (must, may map[string]bool) {
	r := function.Builtins()
	must, may = map[string]bool{}, map[string]bool{}
	casts := map[datum.OID]bool{}
	for _, c := range r.Casts() {
		if c.Fn != nil {
			casts[c.Fn.OID] = true
		}
	}
	for _, f := range r.AllFunctions() {
		internal := f.Ret == datum.CString || slices.ContainsFunc(f.Args, func(a datum.OID) bool { return a == datum.CString || a == internalOID })
		send := strings.HasSuffix(f.Name, "send") && len(f.Args) == 1 && f.Ret == datum.Bytea
		switch {
		case internal || send || plumbing.MatchString(f.Name):
		case r.OperatorName(f) != "" || casts[f.OID]:
			may[f.Name] = true
		default:
			must[f.Name] = true
		}
	}
	for _, f := range r.AllWindowFunctions() {
		must[f.Name] = true
	}
	for _, a := range r.AllAggregates() {
		must[a.Name] = true
	}
	for _, name := range specialForms {
		must[name] = true
	}
	return must, may
}

// TestFunctions compares the function tables with the registry.
func TestFunctions(t *testing.T) {
	must, may := userFunctions()
	listed := map[string]bool{}
	for _, row := range tableRows(readPage(t, "docs/sql/functions.md").section(t, "Functions")) {
		for _, name := range codes(row[0]) {
			name, _, _ = strings.Cut(name, "(")
			if listed[name] {
				t.Errorf("%s is listed twice", name)
			}
			listed[name] = true
			if !must[name] && !may[name] {
				t.Errorf("%s is listed and does not exist", name)
			}
		}
		if len(row) < 2 || row[1] == "" {
			t.Errorf("%s has no description", row[0])
		}
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(must)) {
		if !listed[name] {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d functions are not listed: %s", len(missing), strings.Join(missing, " "))
	}
}
