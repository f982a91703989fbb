package exec

import "github.com/phyllodb/phyllo/query/plan"

func optimized(rt *Runtime, n plan.Node) plan.Node { return n }
