package datum

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// CountNulls counts the NULLs of a batch's arrays, those within lists and
// records included. Arrow counts them when they are first asked for and keeps
// the number in the array, which is a data race between readers: whoever shares
// a batch between goroutines counts first.
func CountNulls(b arrow.RecordBatch) {
	for _, a := range b.Columns() {
		countNulls(a)
	}
}

func countNulls(a arrow.Array) {
	a.NullN()
	switch a := a.(type) {
	case *array.List:
		countNulls(a.ListValues())
	case *array.Struct:
		for i := range a.NumField() {
			countNulls(a.Field(i))
		}
	}
}
