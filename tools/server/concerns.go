package server

import (
	"context"
	"log/slog"

	"github.com/phyllodb/phyllo/engine/cassandra"
)

// sayConcerns logs what is wrong with the replication of the keyspace, such as
// that there is one replica. Phyllo works with it, so it starts.
func (s *Server) sayConcerns(ctx context.Context, st *cassandra.Store) {
	concerns, err := st.Concerns(ctx)
	if err != nil {
		s.log.Warn("the replication of the keyspace cannot be looked at", slog.String("error", err.Error()))
		return
	}
	for _, f := range concerns {
		s.log.Warn("the keyspace can lose data or service; see phyllo doctor", slog.String("check", f.Check), slog.String("severity", f.Severity.String()),
			slog.String("found", f.Found), slog.String("do", f.Do))
	}
}
