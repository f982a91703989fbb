package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/phyllodb/phyllo/engine"
)

// TestReplayFlushesOnTheWay replays more than the buffers hold: flushes in the
// middle of a source log must not take its end away, nor the logs after it.
func TestReplayFlushesOnTheWay(t *testing.T) {
	eachPlace(t, func(t *testing.T, p place) {
		large := engine.Options{SealAge: time.Hour, BufferBytes: 64 << 20}
		db := p.open(t, large)
		table := createTable(t, db, "events", false, 0)
		want, key := map[row]int{}, strings.Repeat("k", 250)
		for process := range 3 {
			for i := range 40 {
				rows := make([]row, 200) // of one partition, so that each flush empties the buffers
				for j := range rows {
					rows[j] = row{key, int64(process*100 + i), int64(j)}
					want[rows[j]]++
				}
				insert(t, db, table, rows...)
			}
			p.crash(t)
			db = p.open(t, large)
		}
		p.crash(t)
		small := engine.Options{SealAge: time.Hour, BufferBytes: 1 << 20}
		db = p.open(t, small)
		sameRows(t, "replayed with little memory", mustRead(t, db, table), want)
		p.crash(t)
		db = p.open(t, small)
		sameRows(t, "and again", mustRead(t, db, table), want)
		p.close(t)
	})
}
