"""What a person should look at: flags of personas and outputs, and the reasons for them."""
