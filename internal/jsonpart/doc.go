// Package jsonpart takes the texts of jsonb values apart by paths and puts them
// together again.
//
// A path is the keys that lead from the top to a value through objects. Survey finds
// those that many documents have, a Tree of some paths splits documents into the
// values there and the rest of the text (Split), and makes the same text of these
// (Join). Get and Text read one path.
//
// The text of a jsonb value is canonical (datum.CanonicalJSON): keys are unique,
// sorted by their lengths and then by their bytes, and what stands between parts is
// always ", " and ": ". What is not so is refused, or read the slow way; no text makes
// any of this panic.
package jsonpart
