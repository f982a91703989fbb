package function

import (
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
)

// isReg says whether values of a type are OIDs that are written as names.
func isReg(t datum.OID) bool {
	switch t {
	case datum.RegProc, datum.RegProcedure, datum.RegOper, datum.RegOperator, datum.RegClass,
		datum.RegType, datum.RegNamespace, datum.RegRole, datum.RegCollation:
		return true
	}
	return false
}

var _ = schema.PGCatalogOID
var _ = strings.ToLower
var _ = pgerr.New

func regOut(c *Context, t, oid datum.OID) string { return strconv.Itoa(int(oid)) }

func regIn(c *Context, t datum.OID, s string) (datum.Value, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return nil, pgerr.Unsupported("names")
	}
	return datum.OID(n), nil
}
