"""What the AWS IoT Device Client does, and what is done here instead where it is wrong.

One test for each field of its job documents, each rule of its engine, each part of its
updates, each of its known defects, and each expectation of its own tests. A docstring
says where the answer here is another one on purpose.
"""
