// Package compare asks two servers the same and says how their answers differ.
package compare

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Null stands for NULL among the values of a Result.
const Null = "\x00"

// A Result is what a server answered, in text.
type Result struct {
	Columns []string // name:oid:typmod
	OIDs    []uint32
	Rows    [][]string // with Null
	Tag     string
	Code    string // SQLSTATE of an error
	Pos     int32  // of an error: 1-based character of the statement, 0 if none
	Message string
}

// Query runs one statement, or several of which it keeps all rows and the last tag, by the simple
// protocol. The error is one of the connection; what the server says of the statement is in the result.
func Query(ctx context.Context, conn *pgx.Conn, sql string) (Result, error) {
	var r Result
	multi := conn.PgConn().Exec(ctx, sql)
	for multi.NextResult() {
		rd := multi.ResultReader()
		for _, f := range rd.FieldDescriptions() {
			r.Columns = append(r.Columns, fmt.Sprintf("%s:%d:%d", f.Name, min(f.DataTypeOID, firstUserOID), f.TypeModifier))
			r.OIDs = append(r.OIDs, f.DataTypeOID)
		}
		for rd.NextRow() {
			row := make([]string, len(rd.Values()))
			for i, v := range rd.Values() {
				row[i] = Null
				if v != nil {
					row[i] = string(v)
				}
			}
			r.Rows = append(r.Rows, row)
		}
		tag, _ := rd.Close()
		r.Tag = tag.String()
	}
	err := multi.Close()
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		r.Code, r.Pos, r.Message, r.Rows = pe.Code, pe.Position, pe.Message, nil
		return r, nil
	}
	return r, err
}

// firstUserOID stands for the types that statements define, whose numbers are each server's own.
const firstUserOID = 16384

const (
	float4OID = 700
	float8OID = 701
)

// equalCell compares two values of a column's type; aggregates of floats depend
// on the order of addition, so floats have a tolerance.
func equalCell(oid uint32, a, b string) bool {
	if a == b {
		return true
	}
	tolerance := 0.0
	switch oid {
	case float4OID:
		tolerance = 1e-5
	case float8OID:
		tolerance = 1e-9
	}
	if tolerance == 0 {
		return false
	}
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && math.Abs(x-y) <= tolerance*math.Max(math.Abs(x), math.Abs(y))
}

// Differ says how two results differ, or nothing.
func Differ(want, got Result, ordered bool) string {
	if want.Code != got.Code {
		return fmt.Sprintf("SQLSTATE: want %q (%s), got %q (%s)", want.Code, want.Message, got.Code, got.Message)
	}
	if want.Pos != got.Pos {
		return fmt.Sprintf("position of the error: want %d (%s), got %d (%s)", want.Pos, want.Message, got.Pos, got.Message)
	}
	if want.Code != "" {
		return ""
	}
	if w, g := strings.Join(want.Columns, " "), strings.Join(got.Columns, " "); w != g {
		return fmt.Sprintf("columns (name:type:modifier):\n  want %s\n  got  %s", w, g)
	}
	if len(want.Rows) != len(got.Rows) {
		return fmt.Sprintf("rows: want %d, got %d\n%s", len(want.Rows), len(got.Rows), sample(want, got))
	}
	if !ordered {
		SortRows(want.Rows)
		SortRows(got.Rows)
	}
	for i := range want.Rows {
		for j := range want.Rows[i] {
			if !equalCell(want.OIDs[j], want.Rows[i][j], got.Rows[i][j]) {
				return fmt.Sprintf("row %d column %s: want %q, got %q", i+1, want.Columns[j], want.Rows[i][j], got.Rows[i][j])
			}
		}
	}
	if want.Tag != got.Tag {
		return fmt.Sprintf("command tag: want %q, got %q", want.Tag, got.Tag)
	}
	return ""
}

func sample(want, got Result) string {
	head := func(rows [][]string) string {
		var b strings.Builder
		for _, r := range rows[:min(3, len(rows))] {
			fmt.Fprintf(&b, "    %q\n", r)
		}
		return b.String()
	}
	return "  want\n" + head(want.Rows) + "  got\n" + head(got.Rows)
}

// SortRows puts rows in the order of their text.
func SortRows(rows [][]string) {
	sort.Slice(rows, func(i, j int) bool {
		for k := range rows[i] {
			if rows[i][k] != rows[j][k] {
				return rows[i][k] < rows[j][k]
			}
		}
		return false
	})
}

// Ordered says whether a query fixes the order of its rows: its outermost
// ORDER BY is the last clause.
func Ordered(sql string) bool {
	lower := strings.ToLower(sql)
	i := strings.LastIndex(lower, "order by")
	return i >= 0 && strings.Count(lower[i:], ")") <= strings.Count(lower[i:], "(")
}
