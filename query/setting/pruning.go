package setting

import (
	"strings"

	"github.com/phyllodb/phyllo/chunk"
)

// Pruning says which stages a value of phyllo.pruning switches off.
func Pruning(value string) chunk.PruningOff {
	if value == "all" {
		return chunk.PruningOff{}
	}
	on := map[string]bool{}
	for _, word := range strings.Split(value, ",") {
		on[strings.TrimSpace(word)] = true
	}
	return chunk.PruningOff{
		Partitions: !on["partitions"], Slices: !on["slices"], Chunks: !on["chunks"], Manifest: !on["manifest"], Blooms: !on["blooms"],
		Vectors: !on["vectors"], Encoded: !on["encoded"], Late: !on["late"],
	}
}
