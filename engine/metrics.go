package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the engine counts.
type metrics struct {
	registerer prometheus.Registerer
	all        []prometheus.Collector

	rows, commits, staged, refused prometheus.Counter
	flushes, flushedRows, chunks   prometheus.Counter
	flushSeconds                   prometheus.Histogram
	forwarded                      prometheus.Counter // nil unless in a cluster

	compactions, compactedRead, compactedWritten prometheus.Counter
}

func newMetrics(db *DB) *metrics {
	m := &metrics{registerer: db.opt.Registerer}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "phyllo_" + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	gauge := func(name, help string, f func() float64) {
		m.all = append(m.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "phyllo_" + name, Help: help}, f))
	}
	m.rows = counter("ingested_rows_total", "Rows written by transactions, committed or not.")
	m.refused = counter("refused_rows_total", "Batches refused because a row is older than the table's retention.")
	m.commits = counter("commits_total", "Transactions that wrote rows and committed.")
	m.staged = counter("staged_chunks_total", "Chunks written by transactions too large for memory.")
	m.flushes = counter("flushes_total", "Write buffers written to chunks.")
	m.flushedRows = counter("flushed_rows_total", "Rows written from buffers to chunks.")
	m.chunks = counter("chunks_total", "Chunks committed by flushes.")
	m.compactions = counter("compactions_total", "Compactions, and removals of old slices, that were committed.")
	m.compactedRead = counter("compaction_read_bytes_total", "Bytes of blobs that compactions read.")
	m.compactedWritten = counter("compaction_written_bytes_total", "Bytes of blobs that compactions wrote.")
	gauge("compaction_backlog_chunks", "Chunks that are to be merged, as of the last look.", func() float64 { return float64(db.compactor.backlog.Load()) })
	m.flushSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "phyllo_flush_seconds", Help: "How long a flush of one partition took.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)})
	m.all = append(m.all, m.flushSeconds)
	m.all = append(m.all, db.pages.Counters().Collectors()...)
	gauge("buffered_bytes", "Bytes of rows that are not in chunks, open transactions included.", func() float64 { return float64(db.buffered.Load() + db.followed.Load()) })
	if db.opt.Cluster != nil {
		m.forwarded = counter("journal_forwards_total", "Entries of the source log that took over what was in the journal.")
		gauge("journal_waiting_bytes", "Bytes of commits in the journal that are not in the cluster yet.", func() float64 { return float64(db.cluster.journals.waitingBytes()) })
	}
	gauge("open_transactions", "Transactions that are open.", func() float64 { return float64(db.snapshots.count()) })
	if m.registerer != nil {
		m.registerer.MustRegister(m.all...)
	}
	return m
}

func (m *metrics) flushed(rows int64, chunks int, took time.Duration) {
	m.flushes.Inc()
	m.flushedRows.Add(float64(rows))
	m.chunks.Add(float64(chunks))
	m.flushSeconds.Observe(took.Seconds())
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.all {
		m.registerer.Unregister(c)
	}
}
