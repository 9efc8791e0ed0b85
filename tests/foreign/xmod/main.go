// Checks published logs with golang.org/x/mod/sumdb, which is not ours. The argument is the log's key. Each line of stdin
// names a folder and checkpoint files that somebody kept, tabs between; it is answered by "ok SIZE" or "BAD why".
// A line "flip", FOLDER, FILE, START, STEP asks what the check says with a bit changed in byte START, then STEP further,
// and so on to the file's end; it is answered by how many bytes that were, and those that were not missed.
package main

import "bufio"
import "bytes"
import "fmt"
import "golang.org/x/mod/sumdb/note"
import "golang.org/x/mod/sumdb/tlog"
import "os"
import "runtime"
import "strconv"
import "strings"
import "sync"

type reading func(path string) ([]byte, error)

func same(what string, fine bool, why any) {
	if !fine {
		panic(fmt.Sprint(what, " is not right: ", why)) // ends the folder, not the program
	}
}
func must[T any](value T, err error) T {
	same("what is read or proved", err == nil, err)
	return value
}
func checkpoint(path string, key note.Verifier, file reading) (tree tlog.Tree) {
	text := must(note.Open(must(file(path)), note.VerifierList(key))).Text
	must(fmt.Sscan(strings.Split(text, "\n")[1], &tree.N))
	tree.Hash = must(tlog.ParseHash(strings.Split(text, "\n")[2]))
	same(path, text == fmt.Sprintf("%s\n%d\n%s\n", key.Name(), tree.N, tree.Hash), "not this log's")
	return tree
}

// check makes every hash anew from the entries, and holds all tiles, the root and what was kept against them.
func check(paths []string, key note.Verifier, file reading) (said string) {
	defer func() {
		if why := recover(); why != nil {
			said = fmt.Sprintf("BAD %q", fmt.Sprint(why))
		}
	}()
	tree, hashes, n := checkpoint(paths[0]+"/checkpoint", key, file), []tlog.Hash{}, int64(0)
	read := tlog.HashReaderFunc(func(at []int64) (found []tlog.Hash, _ error) {
		for _, one := range at {
			found = append(found, hashes[one])
		}
		return found, nil
	})
	for _, tile := range tlog.NewTiles(8, 0, tree.N) { // the lowest first
		if tile.W < 256 && tile.N*256+int64(tile.W) < tree.N>>(8*tile.L) {
			continue // older releases of tlog list each width on the way there too
		} // and tlog has the height in its paths
		path := paths[0] + strings.Replace(tile.Path(), "tile/8/", "/tile/", 1)
		if tile.L == 0 { // its bundle: of each entry two bytes of length and itself
			for data := must(file(strings.Replace(path, "/tile/0/", "/tile/entries/", 1))); len(data) > 0; n++ {
				end := 2 + int(data[0])<<8 + int(data[1])
				hashes, data = append(hashes, must(tlog.StoredHashes(n, data[2:end], read))...), data[end:]
			}
			same("the bundle", n == tile.N*256+int64(tile.W), tile.N)
		}
		same(path, bytes.Equal(must(file(path)), must(tlog.ReadTileData(tile, read))), "not what the entries give")
	}
	root, empty := must(tlog.TreeHash(tree.N, read)), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	same("the root", tree.Hash == root || tree.N == 0 && tree.Hash.String() == empty, root)
	for _, path := range paths[1:] {
		old := checkpoint(path, key, file)
		must(path, tlog.CheckTree(must(tlog.ProveTree(tree.N, old.N, read)), tree.N, root, old.N, old.Hash))
	}
	return fmt.Sprint("ok ", tree.N)
}

// flip checks a folder as it would be with one bit of one file changed, byte after byte; it is read once and not written.
func flip(folder, name string, start, step int, key note.Verifier) string {
	var kept sync.Map
	var lock sync.Mutex
	read := func(path string) ([]byte, error) {
		if data, known := kept.Load(path); known {
			return data.([]byte), nil
		}
		data, err := os.ReadFile(path)
		if err == nil {
			kept.Store(path, data)
		}
		return data, err
	}
	whole, missed, next, all := must(os.ReadFile(folder+"/"+name)), []string{}, make(chan int), sync.WaitGroup{}
	for range make([]bool, runtime.NumCPU()) {
		all.Add(1)
		go func() {
			defer all.Done()
			for at := range next {
				changed := append([]byte{}, whole...)
				changed[at] ^= 1 << (at % 8)
				said := check([]string{folder}, key, func(path string) ([]byte, error) {
					if path == folder+"/"+name {
						return changed, nil
					}
					return read(path)
				})
				if strings.HasPrefix(said, "ok") {
					lock.Lock()
					missed = append(missed, strconv.Itoa(at))
					lock.Unlock()
				}
			}
		}()
	}
	count := 0
	for at := start; at < len(whole); at += step {
		next <- at
		count++
	}
	close(next)
	all.Wait()
	return fmt.Sprint(count, " ", strings.Join(missed, " "))
}
func main() {
	key := must(note.NewVerifier(os.Args[1]))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		asked := strings.Split(lines.Text(), "\t")
		if asked[0] == "flip" {
			fmt.Println(flip(asked[1], asked[2], must(strconv.Atoi(asked[3])), must(strconv.Atoi(asked[4])), key))
		} else {
			fmt.Println(check(asked, key, os.ReadFile))
		}
	}
}
