package catalog

import (
	"embed"
	"fmt"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
)

// staticFiles has rows of PostgreSQL's own catalogue in COPY's text format.
//
//go:embed static/*.tsv
var staticFiles embed.FS

// fixedRows make the rows that never change.
var fixedRows = map[string]func(*Set, *writer){
	"pg_catalog.pg_am":         loadStatic,
	"pg_catalog.pg_language":   loadStatic,
	"pg_catalog.pg_tablespace": loadStatic,
	"pg_catalog.pg_collation":  loadStatic,
	"pg_catalog.pg_opfamily":   loadStatic,
	"pg_catalog.pg_opclass":    loadStatic,

	"pg_catalog.pg_class":       systemClasses,
	"pg_catalog.pg_attribute":   systemAttributes,
	"pg_catalog.pg_type":        systemTypes,
	"pg_catalog.pg_proc":        procs,
	"pg_catalog.pg_aggregate":   aggregates,
	"pg_catalog.pg_operator":    operators,
	"pg_catalog.pg_cast":        casts,
	"pg_catalog.pg_description": systemDescriptions,
	"pg_catalog.pg_tables":      systemTables,
}

// staticLines returns the fields of a file of staticFiles.
func staticLines(name string) [][]string {
	data, err := staticFiles.ReadFile("static/" + name + ".tsv")
	if err != nil {
		panic("catalog: bug: " + err.Error())
	}
	var lines [][]string
	for line := range strings.Lines(string(data)) {
		lines = append(lines, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return lines
}

// loadStatic reads all columns of the relation from the file of its name.
func loadStatic(_ *Set, w *writer) {
	names := make([]string, len(w.rel.Columns))
	for i, c := range w.rel.Columns {
		names[i] = c.Name
	}
	w.columns(names...)
	for _, fields := range staticLines(w.rel.Name) {
		values := make([]any, len(fields))
		for i, f := range fields {
			values[i] = staticValue(f, w.rel.Columns[i])
		}
		w.add(values...)
	}
}

func staticValue(text string, c Column) any {
	if text == `\N` {
		return nil
	}
	switch c.Type.OID {
	case datum.RegProc, datum.OIDType:
		return parseOID(text)
	}
	v, err := datum.Parse(c.Type, text, &datum.Env{})
	if err != nil {
		panic(fmt.Sprintf("catalog: bug: static value %q of %s: %v", text, c.Name, err))
	}
	return v
}
