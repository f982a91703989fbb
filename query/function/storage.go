package function

import (
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
)

// storageFunctions are phyllo_catalog.pause_compaction() and resume_compaction(), which
// return whether they changed anything, and position(), for AS OF.
func storageFunctions() []*Function {
	set := func(oid datum.OID, name string, pause bool) *Function {
		return &Function{OID: oid, Namespace: schema.PhylloCatalogOID, Name: name, Ret: datum.Bool, Volatility: Volatile,
			Eval: ofSession(func(s Session) (bool, error) { return s.PauseCompaction(pause), nil })}
	}
	position := &Function{OID: 9942, Namespace: schema.PhylloCatalogOID, Name: "position", Ret: datum.Int8, Volatility: Stable,
		Eval: ofSession(func(s Session) (int64, error) { return s.Position(), nil })}
	return []*Function{set(9940, "pause_compaction", true), set(9941, "resume_compaction", false), position}
}
