package randsql

import (
	"regexp"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/tools/difftest/compare"
)

// A Verdict says what two answers to a statement mean.
type Verdict int

const (
	Agree Verdict = iota
	// Undecided is an error of one server where the other has rows: which expressions are evaluated
	// depends on the plan, so that both may be right. So is a statement that took too long.
	Undecided
	Differ
)

// Judge compares the answers of PostgreSQL and ours and says how they differ.
//
// Errors are fair game only as far as SQL fixes them. What is wrong with a statement before it runs
// (classes 42 and 0A) must be wrong on both sides, with one SQLSTATE, except that we may know how to
// do what PostgreSQL does not. An error of a value (class 22 and others) must be one of both if
// nothing is read from tables, since then everything is evaluated once; but which of several such
// errors is met first is left open, and PostgreSQL may have one alone where there are branches or
// NULLs: it evaluates constants when it plans, also those that no row would need. Over tables an error of a
// value is Undecided when one side has it alone: a condition that is evaluated later, or not at all
// for a row that another one has thrown out, is as right. Rows and types must be equal.
func Judge(sql string, constant bool, want, got compare.Result) (Verdict, string) {
	switch {
	case want.Code == "" && got.Code == "":
		if d := compare.DifferFor(sql, want, got); d != "" {
			return Differ, d
		}
		return Agree, ""
	case want.Code == timedOut, got.Code == timedOut:
		return Undecided, ""
	case want.Code == got.Code, want.Code == "0A000" && got.Code == "":
		return Agree, ""
	case !ofValues(got) || !ofValues(want) && want.Code != "0A000":
		return Differ, compare.DifferFor(sql, want, got)
	case want.Code != "" && got.Code != "":
		return Agree, ""
	case !constant, got.Code == "" && (branches.MatchString(sql) || hasNull(got)):
		return Undecided, ""
	}
	return Differ, compare.DifferFor(sql, want, got)
}

// timedOut is the SQLSTATE of a statement that took too long, which on a busy machine is no difference.
const timedOut = "57014"

func hasNull(r compare.Result) bool {
	return slices.ContainsFunc(r.Rows, func(row []string) bool { return slices.Contains(row, compare.Null) })
}

var branches = regexp.MustCompile(`\b(CASE|COALESCE|GREATEST|LEAST|AND|OR|IN|ANY|ALL|NULL)\b|<=? \(|>=? \(`)

// ofValues says whether an answer is no error, or one that only running a statement can show; some
// of these have the SQLSTATE of what is not supported, as "cannot convert infinity to smallint".
func ofValues(r compare.Result) bool {
	return r.Code == "" || strings.HasPrefix(r.Code, "22") || strings.HasPrefix(r.Code, "54") || r.Code == "21000" ||
		r.Code == "0A000" && !strings.Contains(r.Message, "supported") ||
		r.Code == "42601" && (strings.Contains(r.Message, "Unicode escape") || strings.Contains(r.Message, "decimal point")) // of unistr and to_char
}
