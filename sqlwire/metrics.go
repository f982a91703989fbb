package sqlwire

import "github.com/prometheus/client_golang/prometheus"

// metrics count what clients do.
type metrics struct {
	connections prometheus.Gauge
	refused     prometheus.Counter
	statements  *prometheus.HistogramVec // by outcome
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "phyllo_sql_connections", Help: "Open connections of the PostgreSQL protocol.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "phyllo_sql_connections_refused_total", Help: "Connections refused: no room, wrong password, no TLS.",
		}),
		statements: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "phyllo_sql_statement_seconds", Help: "Time of simple queries and of executions of portals, until the answer is complete.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
		}, []string{"outcome"}),
	}
	if r != nil {
		r.MustRegister(m.connections, m.refused, m.statements)
	}
	return m
}
