//go:build goexperiment.simd

package codec

import "testing"

// TestPlainTwins runs the tests of what has kernels in AVX-512 without them.
func TestPlainTwins(t *testing.T) {
	if !avx512 {
		t.Log("this CPU has no AVX-512: all tests run on plain Go")
	}
	defer func(was bool) { avx512 = was }(avx512)
	avx512 = false
	for name, test := range map[string]func(*testing.T){
		"Unpack": TestUnpack, "Patches": TestPatches, "FrameFilter": TestFrameFilter, "Within": TestWithin, "Sum": TestSum, "PrefixSums": TestPrefixSums, "Scaled": TestScaled,
		"Wavelet": TestWavelet,
	} {
		t.Run(name, test)
	}
}
