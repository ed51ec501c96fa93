"""What talks to AWS IoT over MQTT. Knows neither what jobs mean nor what runs them."""
