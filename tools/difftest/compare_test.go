package difftest

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

// A result is what a server answered, in text.
type result struct {
	columns []string // name:oid:typmod
	oids    []uint32
	rows    [][]string // "\x00" for NULL
	tag     string
	code    string // SQLSTATE of an error
	pos     int32  // of an error: 1-based character of the statement, 0 if none
	message string
}

// query runs one statement by the simple protocol.
func query(ctx context.Context, conn *pgx.Conn, sql string) (result, error) {
	var r result
	multi := conn.PgConn().Exec(ctx, sql)
	for multi.NextResult() {
		rd := multi.ResultReader()
		for _, f := range rd.FieldDescriptions() {
			r.columns = append(r.columns, fmt.Sprintf("%s:%d:%d", f.Name, f.DataTypeOID, f.TypeModifier))
			r.oids = append(r.oids, f.DataTypeOID)
		}
		for rd.NextRow() {
			row := make([]string, len(rd.Values()))
			for i, v := range rd.Values() {
				row[i] = "\x00"
				if v != nil {
					row[i] = string(v)
				}
			}
			r.rows = append(r.rows, row)
		}
		tag, _ := rd.Close()
		r.tag = tag.String()
	}
	err := multi.Close()
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		r.code, r.pos, r.message, r.rows = pe.Code, pe.Position, pe.Message, nil
		return r, nil
	}
	return r, err
}

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

// differ says how two results differ, or nothing.
func differ(want, got result, ordered bool) string {
	if want.code != got.code {
		return fmt.Sprintf("SQLSTATE: want %q (%s), got %q (%s)", want.code, want.message, got.code, got.message)
	}
	if want.pos != got.pos {
		return fmt.Sprintf("position of the error: want %d (%s), got %d (%s)", want.pos, want.message, got.pos, got.message)
	}
	if want.code != "" {
		return ""
	}
	if w, g := strings.Join(want.columns, " "), strings.Join(got.columns, " "); w != g {
		return fmt.Sprintf("columns (name:type:modifier):\n  want %s\n  got  %s", w, g)
	}
	if len(want.rows) != len(got.rows) {
		return fmt.Sprintf("rows: want %d, got %d\n%s", len(want.rows), len(got.rows), sample(want, got))
	}
	if !ordered {
		sortRows(want.rows)
		sortRows(got.rows)
	}
	for i := range want.rows {
		for j := range want.rows[i] {
			if !equalCell(want.oids[j], want.rows[i][j], got.rows[i][j]) {
				return fmt.Sprintf("row %d column %s: want %q, got %q", i+1, want.columns[j], want.rows[i][j], got.rows[i][j])
			}
		}
	}
	if want.tag != got.tag {
		return fmt.Sprintf("command tag: want %q, got %q", want.tag, got.tag)
	}
	return ""
}

func sample(want, got result) string {
	head := func(rows [][]string) string {
		var b strings.Builder
		for _, r := range rows[:min(3, len(rows))] {
			fmt.Fprintf(&b, "    %q\n", r)
		}
		return b.String()
	}
	return "  want\n" + head(want.rows) + "  got\n" + head(got.rows)
}

func sortRows(rows [][]string) {
	sort.Slice(rows, func(i, j int) bool {
		for k := range rows[i] {
			if rows[i][k] != rows[j][k] {
				return rows[i][k] < rows[j][k]
			}
		}
		return false
	})
}
