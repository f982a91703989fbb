package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"time"
)

// sortByKey returns CSV with its rows by (vehicle_id, timestamp), those of one key in
// their order. So chunks of one load do not overlap, as they do not after compaction; a
// CQL table sorts for itself.
func sortByKey(data []byte) ([]byte, error) {
	records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil || len(records) == 0 {
		return data, err
	}
	type row struct {
		at     time.Time
		fields []string
	}
	rows := make([]row, len(records)-1)
	for i, f := range records[1:] {
		at, err := parseTime(f[1])
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		rows[i] = row{at, f}
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		return cmp.Or(strings.Compare(a.fields[0], b.fields[0]), a.at.Compare(b.at))
	})
	for i, r := range rows {
		records[i+1] = r.fields
	}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	if err := w.WriteAll(records); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
