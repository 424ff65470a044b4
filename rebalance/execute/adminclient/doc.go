// Package adminclient is what the mover asks of Kafka, on a real cluster: the
// port execute.Kafka over the admin protocol (Client), the run's state in a
// compacted topic (StateTopic), the health of clients by timing the brokers
// (Probe), and what is done to brokers that come and go (BrokerAdmin).
//
// Every call ends when its context does, whether a broker has answered or not.
package adminclient
