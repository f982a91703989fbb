package query

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/query/exec"
	"github.com/phyllodb/phyllo/query/plan"
)

// takeRows copies the rows with the given numbers into a new batch.
func takeRows(batch arrow.RecordBatch, rows []int32, fields []plan.Field) arrow.RecordBatch {
	return exec.TakeRows(batch, rows, arrowSchema(fields))
}
