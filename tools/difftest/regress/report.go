package regress

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/phyllodb/phyllo/tools/difftest/compare"
)

// table prints what came of files, and their sums.
func table(counts []Count) string {
	var b strings.Builder
	line := "%-26s %10s %10s %9s %8s\n"
	fmt.Fprintf(&b, line, "file", "statements", "applicable", "agreeing", "percent")
	sum := Count{File: "all"}
	for _, c := range counts {
		fmt.Fprintf(&b, line, cells(c)...)
		sum.Statements += c.Statements
		sum.Applicable += c.Applicable
		sum.Agreeing += c.Agreeing
	}
	fmt.Fprintf(&b, line, cells(sum)...)
	return b.String()
}

func cells(c Count) []any {
	percent := "-"
	if c.Applicable > 0 {
		percent = fmt.Sprintf("%.1f", 100*float64(c.Agreeing)/float64(c.Applicable))
	}
	return []any{c.File, fmt.Sprint(c.Statements), fmt.Sprint(c.Applicable), fmt.Sprint(c.Agreeing), percent}
}

// writeDifferences writes the causes with how often each occurs, and up to limit differences, each
// with both answers.
func writeDifferences(w io.Writer, counts []Count, limit int) error {
	var all []Difference
	for _, c := range counts {
		all = append(all, c.Differences...)
	}
	if _, err := io.WriteString(w, causes(all)); err != nil {
		return err
	}
	for _, d := range all[:min(limit, len(all))] {
		if _, err := fmt.Fprintf(w, "\n--- %s:%d\n%s\n%s\npostgresql: %sphyllo: %s", d.File, d.Line, d.SQL, d.What, answer(d.Want), answer(d.Got)); err != nil {
			return err
		}
	}
	return nil
}

// causes counts differences by what we answer, names left out.
func causes(all []Difference) string {
	counts := map[string]int{}
	for _, d := range all {
		counts[cause(d)]++
	}
	list := make([]string, 0, len(counts))
	for c := range counts {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(counts[b]-counts[a], strings.Compare(a, b)) })
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%5d %s\n", counts[c], c)
	}
	return b.String()
}

var names = regexp.MustCompile(`"[^"]*"|'[^']*'|\d+`)

func cause(d Difference) string {
	switch {
	case d.Got.Code != "" && d.Want.Code != d.Got.Code:
		return d.Got.Code + " " + names.ReplaceAllString(d.Got.Message, "_")
	case d.Got.Code == "" && d.Want.Code != "":
		return "no error, not " + d.Want.Code
	}
	what, _, _ := strings.Cut(d.What, ":")
	return names.ReplaceAllString(what, "_")
}

// answer prints the beginning of an answer.
func answer(r compare.Result) string {
	if r.Code != "" {
		return fmt.Sprintf("%s: %s\n", r.Code, r.Message)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d rows of %s\n", r.Tag, len(r.Rows), strings.Join(r.Columns, ", "))
	for _, row := range r.Rows[:min(len(r.Rows), 12)] {
		fmt.Fprintf(&b, "    %q\n", row)
	}
	return b.String()
}
