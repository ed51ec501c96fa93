/* AWS IoT Jobs, Apache-2.0. Contains Lit, BSD-3-Clause, Google LLC. */
import{c as a,n as b}from"./body.js?v=706b0e4f";import"./core.js?v=706b0e4f";export{a as JobLog,b as bodyOf};
