// Serves kfake, the Kafka of franz-go's tests, on 127.0.0.1 at the ports that are given, a broker each, until it is killed.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kfake:", err)
		os.Exit(1)
	}
}

func serve(arguments []string) error {
	var ports []int
	for _, argument := range arguments {
		port, err := strconv.Atoi(argument)
		if err != nil {
			return err
		}
		ports = append(ports, port)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(len(ports)), kfake.Ports(ports...))
	if err != nil {
		return err
	}
	defer cluster.Close()
	fmt.Println("serving")
	select {}
}
