package compare

import (
	"slices"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/tools/difftest/psqlscript"
)

// DifferFor is Differ for the answers to a statement, places of errors left out. Rows have an order
// where the statement ends in ORDER BY; those that it puts at the same place may come in any, which is
// known where it orders by columns of the result.
func DifferFor(sql string, want, got Result) string {
	want.Pos, got.Pos = 0, 0
	keys, ordered := orderKeys(sql, want.Columns)
	if !ordered {
		return Differ(want, got, false)
	}
	d := Differ(want, got, true)
	if d == "" || keys == nil || !slices.EqualFunc(want.Columns, got.Columns, func(a, b string) bool { return a == b }) || len(want.Rows) != len(got.Rows) {
		return d
	}
	for i := range want.Rows {
		for _, k := range keys {
			if want.Rows[i][k] != got.Rows[i][k] {
				return d
			}
		}
	}
	return Differ(want, got, false)
}

// orderKeys are the columns that a statement orders its rows by; nil if it orders by something else.
func orderKeys(sql string, columns []string) (keys []int, ordered bool) {
	items := orderItems(psqlscript.Tokens(sql))
	for _, item := range items {
		k := column(item, columns)
		if k < 0 {
			return nil, true
		}
		keys = append(keys, k)
	}
	return keys, items != nil
}

// orderItems are the expressions of the ORDER BY of the whole statement.
func orderItems(tokens []psqlscript.Token) [][]psqlscript.Token {
	var items [][]psqlscript.Token
	depth := 0
	for i, t := range tokens {
		switch t.Text {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		}
		if t.Kind == psqlscript.Word && depth == 0 {
			switch {
			case t.Text == "by" && i > 0 && tokens[i-1].Text == "order":
				items = [][]psqlscript.Token{nil}
				continue
			case slices.Contains([]string{"union", "intersect", "except"}, t.Text):
				items = nil
			case slices.Contains([]string{"limit", "offset", "fetch", "for"}, t.Text) && items != nil:
				return items
			}
		}
		if items == nil {
			continue
		}
		if depth == 0 && t.Text == "," {
			items = append(items, nil)
			continue
		}
		items[len(items)-1] = append(items[len(items)-1], t)
	}
	return items
}

// column is the one that an expression names, by number or name, or -1.
func column(item []psqlscript.Token, columns []string) int {
	var words []psqlscript.Token
	for i, t := range item {
		if i > 0 && slices.Contains([]string{"asc", "desc", "nulls", "first", "last"}, t.Text) {
			continue
		}
		if i > 0 && t.Text == "using" {
			break
		}
		words = append(words, t)
	}
	if len(words) == 1 && words[0].Kind == psqlscript.Number {
		n, err := strconv.Atoi(words[0].Text)
		if err != nil || n < 1 || n > len(columns) {
			return -1
		}
		return n - 1
	}
	if len(words) == 0 || len(words) != 1 && (len(words) != 3 || words[1].Text != ".") {
		return -1
	}
	name := words[len(words)-1].Text
	return slices.IndexFunc(columns, func(c string) bool { return strings.HasPrefix(c, name+":") })
}
