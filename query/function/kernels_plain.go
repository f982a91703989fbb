//go:build !(goexperiment.simd && amd64)

package function

// What kernels_amd64.go says of them holds here too: nothing is done.

func lessFloats(_, _ *col[float64], _ []byte, _ int) (done int) { return 0 }

func sumFloats(_, _ *col[float64], _ []float64) (done int, odd float64) { return 0, 0 }
