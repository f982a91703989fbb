package schema

import "github.com/phyllodb/phyllo/internal/datum"

// A Change is one step of DDL: exactly one field is set. The catalogue log
// stores changes; Catalog.Apply folds them in.
type Change struct {
	PutTable      *Table     `json:",omitempty"` // create or replace the definition with this OID
	DropTable     datum.OID  `json:",omitempty"`
	PutView       *View      `json:",omitempty"`
	DropView      datum.OID  `json:",omitempty"`
	PutSequence   *Sequence  `json:",omitempty"`
	DropSequence  datum.OID  `json:",omitempty"`
	PutType       *Type      `json:",omitempty"`
	DropType      datum.OID  `json:",omitempty"`
	PutNamespace  *Namespace `json:",omitempty"`
	DropNamespace datum.OID  `json:",omitempty"`
	PutDatabase   *Database  `json:",omitempty"`
	DropDatabase  datum.OID  `json:",omitempty"`
	PutRole       *Role      `json:",omitempty"`
	DropRole      string     `json:",omitempty"`
	// TakeOIDs reserves so many OIDs from NextOID on.
	TakeOIDs int `json:",omitempty"`
}
