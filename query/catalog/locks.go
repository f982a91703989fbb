package catalog

import (
	"context"
	"fmt"
	"math"

	"github.com/phyllodb/phyllo/internal/datum"
)

// locks are those on tables and advisory locks that sessions of this node have or wait for, and the
// rows that they wait for.
func locks(_ context.Context, _ *Set, env *Env, w *writer) error {
	w.columns("locktype", "database", "relation", "classid", "objid", "objsubid", "virtualtransaction", "pid", "mode", "granted", "fastpath", "waitstart")
	if env.Locks == nil {
		return nil
	}
	for _, l := range env.Locks() {
		var database, relation, class, id, sub, pid, since any
		kind := "relation"
		if l.Row {
			kind = "tuple"
		}
		if l.Relation != 0 {
			database, relation = env.Catalog.DatabaseWith(l.Relation), l.Relation
		} else {
			kind, database = "advisory", l.Advisory.Database
			class, id, sub = datum.OID(uint64(l.Advisory.Key)>>32), datum.OID(uint64(l.Advisory.Key)&math.MaxUint32), 1
			if l.Advisory.Pair {
				sub = 2
			}
		}
		if l.PID != 0 {
			pid = int(l.PID)
		}
		if !l.Granted {
			since = l.Since
		}
		w.add(kind, database, relation, class, id, sub, fmt.Sprintf("%d/0", l.PID), pid, l.Mode, l.Granted, false, since)
	}
	return nil
}
