package query

import (
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/bind"
)

// Router returns what computes the keys of a table's LIST partitions. It
// depends on the table's definition alone, not on any session.
func Router(t *schema.Table) (*bind.Router, error) { return bind.PartitionRouter(t) }
