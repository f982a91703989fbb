package plan

import (
	"sync"

	"github.com/phyllodb/phyllo/query/function"
)

// operatorNames returns the operators' names by function; of two operators with
// one function the first one by OID counts.
var operatorNames = sync.OnceValue(func() map[*function.Function]string {
	m := map[*function.Function]string{}
	for _, op := range function.Builtins().AllOperators() {
		if _, taken := m[op.Fn]; !taken {
			m[op.Fn] = op.Name
		}
	}
	return m
})
