/* AWS IoT Jobs, Apache-2.0. Contains Lit, BSD-3-Clause, Google LLC. */
import{c as a,n as b}from"./body.js?v=8c5f5f7d";import"./core.js?v=8c5f5f7d";export{a as JobLog,b as bodyOf};
