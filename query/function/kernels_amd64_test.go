//go:build goexperiment.simd

package function

import "testing"

// TestPlainTwins runs the tests of what has kernels in AVX-512 without them.
func TestPlainTwins(t *testing.T) {
	if !avx512 {
		t.Log("this CPU has no AVX-512: all tests run on plain Go")
	}
	defer func(was bool) { avx512 = was }(avx512)
	avx512 = false
	t.Run("FloatLoops", TestFloatLoops)
}
