package backuprepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Options say how to reach an S3-compatible store. Keys come from the environment
// (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), from the file of AWS's tools
// (AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE), or from the machine's role.
type S3Options struct {
	Endpoint string // URL; empty: AWS
	Region   string // empty: what the store says
	// PathStyle puts the bucket into the path instead of the host's name, as most
	// stores that are not AWS want it.
	PathStyle bool
}

// partBytes is the size of a part of an upload; smaller objects are sent at once.
const partBytes = 16 << 20

// s3 keeps a repository in a bucket.
type s3 struct {
	client *minio.Core
	bucket string
	prefix string // empty, or it ends in a slash
}

func openS3(address string, o S3Options) (*s3, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(address, S3Scheme), "/")
	if bucket == "" || strings.ContainsAny(address, "@?#") {
		return nil, fmt.Errorf("a repository in S3 is %sBUCKET/PREFIX; keys come from the environment", S3Scheme)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	endpoint, secure := "s3.amazonaws.com", true
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || strings.Trim(u.Path, "/") != "" {
			return nil, fmt.Errorf("the endpoint of S3 is http://HOST[:PORT] or https://HOST[:PORT]")
		}
		endpoint, secure = u.Host, u.Scheme == "https"
	}
	lookup := minio.BucketLookupAuto
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	client, err := minio.NewCore(endpoint, &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		}),
		Secure: secure, Region: o.Region, BucketLookup: lookup,
	})
	if err != nil {
		return nil, err
	}
	return &s3{client: client, bucket: bucket, prefix: prefix}, nil
}

// put sends small objects at once and large ones in parts, with an MD5 each, which every
// such store checks.
func (s *s3) put(ctx context.Context, name string, b body) error {
	if _, err := b.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := s.client.Client.PutObject(ctx, s.bucket, s.prefix+name, b, b.Size(), minio.PutObjectOptions{
		ContentType: "application/octet-stream", SendContentMd5: true, PartSize: partBytes, NumThreads: 1})
	return s.explained(err)
}

func (s *s3) open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, _, _, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, s.explained(err)
	}
	return r, nil
}

func (s *s3) list(ctx context.Context, folder string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the reader of the list
		for o := range s.client.Client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + folder, Recursive: true}) {
			if o.Err != nil {
				yield(Object{}, s.explained(o.Err))
				return
			}
			if !yield(Object{Name: strings.TrimPrefix(o.Key, s.prefix), Size: o.Size, Modified: o.LastModified}, nil) {
				return
			}
		}
		if ctx.Err() != nil {
			yield(Object{}, context.Cause(ctx))
		}
	}
}

func (s *s3) remove(ctx context.Context, name string) error {
	err := s.explained(s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// tidy gives up uploads that were not finished.
func (s *s3) tidy(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the reader of the list
	for u := range s.client.ListIncompleteUploads(ctx, s.bucket, s.prefix, true) {
		err := u.Err
		if err == nil {
			err = s.client.AbortMultipartUpload(ctx, s.bucket, u.Key, u.UploadID)
		}
		switch minio.ToErrorResponse(err).Code {
		case minio.NoSuchUpload, minio.NotImplemented: // so say some if there are none, or of all of it
			return nil
		}
		if err != nil {
			return s.explained(err)
		}
	}
	return context.Cause(ctx)
}

// explained says what is missing in words that errors.Is knows.
func (s *s3) explained(err error) error {
	if err == nil {
		return nil
	}
	switch e := minio.ToErrorResponse(err); e.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%w: object %s of bucket %s", fs.ErrNotExist, e.Key, s.bucket)
	case minio.NoSuchBucket:
		return fmt.Errorf("there is no bucket %s", s.bucket)
	case minio.AccessDenied:
		return fmt.Errorf("bucket %s: access denied: %w", s.bucket, err)
	}
	return fmt.Errorf("bucket %s: %w", s.bucket, err)
}
