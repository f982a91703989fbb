package cassandra

import (
	"time"

	"github.com/phyllodb/phyllo/engine/blobcache"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests by what they are for (op).
type metrics struct {
	registerer prometheus.Registerer
	all        []prometheus.Collector

	requests *prometheus.CounterVec
	errors   *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	conflicts, doubts, settled prometheus.Counter
	rolls, gaps, hedges        prometheus.Counter
	corrupt, repaired          prometheus.Counter
	bytesWritten, bytesRead    prometheus.Counter
}

func newMetrics(r prometheus.Registerer, cache *blobcache.Counters) (*metrics, error) {
	m := &metrics{registerer: r}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "phyllo_cassandra_" + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "phyllo_cassandra_requests_total", Help: "Requests to Cassandra."}, []string{"op"})
	m.errors = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "phyllo_cassandra_errors_total", Help: "Requests to Cassandra that failed, by kind of error."}, []string{"op", "kind"})
	m.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "phyllo_cassandra_request_seconds", Help: "How long requests to Cassandra took, retries included.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16)}, []string{"op"})
	m.conflicts = counter("append_conflicts_total", "Appends to logs that came second.")
	m.doubts = counter("append_doubts_total", "Conditional appends whose outcome was unknown at first.")
	m.settled = counter("append_settled_total", "Appends in doubt that were settled.")
	m.rolls = counter("log_buckets_total", "Buckets of logs that were closed.")
	m.gaps = counter("log_gaps_total", "Times that entries of a log were missing in what a read returned.")
	m.hedges = counter("hedged_reads_total", "Reads that were sent to a second server because the first was slow.")
	m.corrupt = counter("corrupt_parts_total", "Parts of blobs that a replica did not have, or had damaged.")
	m.repaired = counter("repaired_parts_total", "Parts of blobs that were written again from a good replica.")
	m.bytesWritten = counter("blob_bytes_written_total", "Bytes of blob parts written.")
	m.bytesRead = counter("blob_bytes_read_total", "Bytes of blob parts read.")
	m.all = append(m.all, m.requests, m.errors, m.seconds)
	m.all = append(m.all, cache.Collectors()...)
	if r == nil {
		return m, nil
	}
	for i, c := range m.all {
		if err := r.Register(c); err != nil {
			for _, done := range m.all[:i] {
				r.Unregister(done)
			}
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.all {
		m.registerer.Unregister(c)
	}
}

// observe counts a request that began at start.
func (m *metrics) observe(op string, start time.Time, err error) {
	m.requests.WithLabelValues(op).Inc()
	m.seconds.WithLabelValues(op).Observe(time.Since(start).Seconds())
	if err != nil {
		m.errors.WithLabelValues(op, errorKind(err)).Inc()
	}
}
