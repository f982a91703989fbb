package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/engine"
	"github.com/phyllodb/phyllo/query"
)

// A place is what the arguments name; what they leave out is zero.
type place struct {
	table       *engine.TableView
	partition   *engine.PartitionView
	number      int // of the partition
	entry       *chunk.Entry
	chunkNumber int
	column      int // of the entry's
}

// A notFoundError says that the folder has nothing of a name.
type notFoundError struct{ text string }

func (e *notFoundError) Error() string { return e.text }

func notFound(format string, args ...any) error {
	return &notFoundError{fmt.Sprintf(format, args...)}
}

// find looks up what the arguments name.
func (f *folder) find(c *inspectCommand) (*place, error) {
	at := &place{}
	if c.Table == "" {
		return at, nil
	}
	if err := errors.Join(append(f.logDamage(), f.catalogueErr)...); err != nil && len(f.view.Tables) == 0 {
		return at, err
	}
	var err error
	if at.table, err = f.findTable(c.Table); err != nil || c.Partition == "" {
		return at, err
	}
	if at.number, err = findPartition(at.table, c.Partition); err != nil {
		return at, err
	}
	at.partition = at.table.Partitions[at.number]
	if c.Chunk == "" {
		return at, nil
	}
	if at.partition.Err != nil {
		return at, at.partition.Err
	}
	if err = at.findChunk(c.Chunk); err != nil || c.Column == "" {
		return at, err
	}
	return at, at.findColumn(c.Column)
}

// findTable finds a table by its name, with its schema or without.
func (f *folder) findTable(name string) (*engine.TableView, error) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		var found []*engine.TableView
		for _, t := range f.view.Tables {
			if same(tableName(t), name) {
				return t, nil
			}
			if same(t.Table.Name, name) {
				found = append(found, t)
			}
		}
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			return nil, fmt.Errorf("there are %d tables called %s: %s", len(found), name, list(names(found), len(found)))
		}
	}
	for _, v := range f.view.Catalog.Views {
		if v.Name == name || strings.HasSuffix(name, "."+v.Name) {
			return nil, notFound("%s is a view, which has nothing stored", name)
		}
	}
	all := names(f.view.Tables)
	if len(all) == 0 {
		return nil, notFound("there is no table %s: the database has no tables", name)
	}
	if alike := similar(name, all); len(alike) > 0 {
		return nil, notFound("there is no table %s\nhint: Perhaps you mean %s.", name, list(alike, 3))
	}
	return nil, notFound("there is no table %s\nhint: There are %s.", name, list(all, 8))
}

func names(tables []*engine.TableView) []string {
	var out []string
	for _, t := range tables {
		out = append(out, tableName(t))
	}
	return out
}

// list joins at most n names.
func list(names []string, n int) string {
	if len(names) > n {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
	}
	return strings.Join(names, ", ")
}

// similar returns the names that one may have meant, the closest first.
func similar(name string, all []string) []string {
	bare := func(s string) string {
		if i := strings.LastIndexByte(s, '.'); i >= 0 {
			s = s[i+1:]
		}
		return strings.ToLower(s)
	}
	want := bare(name)
	type candidate struct {
		name     string
		distance int
	}
	limit := max(min(1, len(want)), len(want)/3)
	if len(want) >= 4 {
		limit = max(limit, 2) // two letters that changed places
	}
	var found []candidate
	for _, n := range all {
		d := distance(want, bare(n))
		if len(want) >= 3 && strings.Contains(bare(n), want) || len(bare(n)) >= 3 && strings.Contains(want, bare(n)) {
			d = min(d, 1)
		}
		if d <= limit {
			found = append(found, candidate{n, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.distance - b.distance })
	out := make([]string, len(found))
	for i, c := range found {
		out[i] = c.name
	}
	return out
}

// distance is Levenshtein's: how many characters to insert, delete or replace.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		before := row[0]
		row[0] = i + 1
		for j := range y {
			cost := before
			if x[i] != y[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}

// findPartition finds a partition by its key in hexadecimal or its number. No
// key looks like a number that begins with another digit than 0.
func findPartition(t *engine.TableView, arg string) (int, error) {
	for i, p := range t.Partitions {
		if p.ID.Key != "" && strings.EqualFold(hex.EncodeToString([]byte(p.ID.Key)), arg) {
			return i, nil
		}
	}
	n, err := strconv.Atoi(arg)
	switch {
	case len(t.Partitions) == 0:
		return 0, notFound("table %s has no partition %s: nothing was inserted yet", tableName(t), arg)
	case err == nil && n >= 0 && n < len(t.Partitions):
		return n, nil
	case err == nil:
		return 0, notFound("table %s has no partition %s: they are numbered from 0 to %d", tableName(t), arg, len(t.Partitions)-1)
	}
	name := query.PartitionNames(t.Table)
	for i, p := range t.Partitions {
		if name(p.ID.Key) == arg {
			return i, nil
		}
	}
	return 0, notFound("table %s has no partition %s\nhint: Use the number or the key in hexadecimal of the listing: phyllo inspect DIR %s", tableName(t), arg, tableName(t))
}

// findChunk finds a chunk by its number or the beginning of its ID. IDs begin
// with 0 for some 8,000 years to come, so that numbers are not taken for them.
func (at *place) findChunk(arg string) error {
	chunks := at.partition.Chunks
	where := fmt.Sprintf("partition %d of table %s", at.number, tableName(at.table))
	if n, err := strconv.Atoi(arg); err == nil && (arg == "0" || arg[0] != '0') {
		switch {
		case n >= 0 && n < len(chunks):
			at.entry, at.chunkNumber = chunks[n], n
			return nil
		case len(chunks) == 0:
			return notFound("%s has no chunks", where)
		}
		return notFound("%s has no chunk %s: they are numbered from 0 to %d", where, arg, len(chunks)-1)
	}
	prefix := strings.ToLower(strings.ReplaceAll(arg, "-", ""))
	var found []string
	for i, e := range chunks {
		if strings.HasPrefix(hex.EncodeToString(e.ID[:]), prefix) {
			at.entry, at.chunkNumber = e, i
			found = append(found, e.ID.String())
		}
	}
	switch len(found) {
	case 0:
		return notFound("%s has no chunk whose ID begins with %s", where, arg)
	case 1:
		return nil
	}
	return fmt.Errorf("%d chunks of %s have an ID that begins with %s: %s", len(found), where, arg, list(found, 4))
}

func (at *place) findColumn(arg string) error {
	var all []string
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		all = all[:0]
		for i := range at.entry.Columns {
			name := storedName(at.table.Table, &at.entry.Columns[i])
			all = append(all, name)
			if same(name, arg) || same(strings.Trim(name, "()"), arg) {
				at.column = i
				return nil
			}
		}
	}
	for _, c := range at.table.Table.Columns {
		if c.Type.OID != 0 && strings.EqualFold(c.Name, arg) {
			return notFound("the chunk has no column %s: it was added to the table later, and rows of the chunk have its default", c.Name)
		}
	}
	if alike := similar(arg, all); len(alike) > 0 {
		return notFound("the chunk has no column %s\nhint: Perhaps you mean %s.", arg, list(alike, 3))
	}
	return notFound("the chunk has no column %s\nhint: It has %s.", arg, list(all, 20))
}
